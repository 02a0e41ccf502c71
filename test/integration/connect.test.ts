import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

test('connect shows the commonest settings, and for whom there are more', async () => {
  const { code, stdout, stderr } = await runProgram(['connect', 'myserver', '--database', 'app']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const line of [
    'myserver.postgres.database.azure.com, at 127.0.0.1:6432',
    'psql    psql "host=127.0.0.1 port=6432 dbname=app user=anyone sslmode=disable"',
    'URL     postgresql://anyone@127.0.0.1:6432/app?sslmode=disable',
    'JDBC    jdbc:postgresql://127.0.0.1:6432/app?user=anyone&sslmode=disable&gssEncMode=disable',
  ]) {
    assert.ok(stdout.includes(`${line}\n`), `${line}\nis missing in\n${stdout}`);
  }
  assert.match(stdout, /More with --for NAME:[^]* grafana [^]* airflow\n$/);
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.length > 100),
    [],
  );
});

test('with --for, standard output is what is to be pasted and nothing else', async () => {
  const { code, stdout, stderr } = await runProgram(['connect', 'myserver', '--for', 'Grafana']);
  assert.equal(code, 0);
  assert.match(stdout, /^apiVersion: 1\n[^]*sslmode: disable\n$/);
  assert.match(stderr, /Grafana \(provisioning\/datasources\/\*\.yaml\):/);
  assert.match(stderr, /Any user name will do/);
});

test('--for takes several names, and those of languages; texts stand apart', async () => {
  const { stdout } = await runProgram(['connect', 'one', 'two', '--for', 'url,go', '--for', 'node']);
  const texts = stdout.trimEnd().split('\n\n');
  assert.match(texts[0] ?? '', /^postgresql:\/\/anyone@127\.0\.0\.1:6432\//);
  assert.match(texts[1] ?? '', /^conn, err := pgx/);
  assert.match(texts[2] ?? '', /^db, err := sql\.Open\("postgres"/);
  assert.match(texts[3] ?? '', /^import pg from/);
  assert.match(stdout, /\n\npostgresql:\/\/anyone@127\.0\.0\.1:6433\//);
});

test('a client that cannot come where the proxy listens is told so, and the exit status is 1', async () => {
  const args = ['connect', 'myserver', '--unix-socket', '/run/x', '--for', 'jdbc,psql'];
  const { code, stdout, stderr } = await runProgram(args);
  assert.deepEqual(
    [code, stdout],
    [1, 'psql "host=/run/x port=6432 dbname=postgres user=anyone sslmode=disable"\n'],
  );
  assert.match(stderr, /nothing for JDBC\. It knows no Unix sockets.*--address 127\.0\.0\.1/);
  const unasked = await runProgram(args.slice(0, -2));
  assert.deepEqual([unasked.code, unasked.stdout.includes('JDBC')], [0, false]);
});

test('--json has every server and every client, or those of --for', async () => {
  const yaml =
    'servers:\n  - server: orders\n  - server: reports\n    port: 6500\n    user: Reporting Group\n';
  const args = ['connect', '--config', await files.write('two.yaml', yaml), '--json'];
  const read = async (more: readonly string[]): Promise<Record<string, unknown>[]> => {
    const { code, stdout, stderr } = await runProgram([...args, ...more]);
    assert.deepEqual([code, stderr], [0, '']);
    return (JSON.parse(stdout) as { servers: Record<string, unknown>[] }).servers;
  };
  const [, one] = await read(['--for', 'url']);
  assert.deepEqual(one, {
    server: 'reports.postgres.database.azure.com',
    host: '127.0.0.1',
    port: 6500,
    database: 'postgres',
    user: 'Reporting Group',
    needsPassword: false,
    sslmode: 'disable',
    remarks: ['Any user name will do, and no password is needed.', 'No TLS: the hop stays on this machine.'],
    clients: [
      {
        name: 'url',
        title: 'URL',
        place: 'DATABASE_URL and the like',
        language: 'text',
        text: 'postgresql://Reporting%20Group@127.0.0.1:6500/postgres?sslmode=disable',
        notes: [],
      },
    ],
  });
  const clients = (await read([])).map((server) => (server['clients'] as unknown[]).length);
  assert.ok(clients[0] !== undefined && clients[0] > 20 && clients[0] === clients[1], String(clients));
});

test('every mistake is told at once, with the client that was probably meant, and 2', async () => {
  const flags = ['--for', 'jbdc,sqlalchmey', '--as', '', '--print-config', '--prot', '1', '--port', '0'];
  const { code, stdout, stderr } = await runProgram(['connect', 'myserver', ...flags]);
  assert.deepEqual([code, stdout], [2, '']);
  for (const problem of [
    'there is no client "jbdc"; did you mean "jdbc"? It takes psql, url,',
    'there is no client "sqlalchmey"; did you mean "sqlalchemy"?',
    '--as takes one user name',
    '--print-config does nothing with connect',
    '--prot is not a flag',
  ]) {
    assert.ok(stderr.includes(problem), `${problem}\nis missing in\n${stderr}`);
  }
  const port = await runProgram(['connect', 'one', 'two', '--port', '0', '--for', 'x', '--as', 'y']);
  assert.match(port.stderr, /one\.postgres[^]*port 0 is any free one[^]*two\.postgres[^]*port 0/);
  const nowhere = await runProgram(['connect', '--for', 'jdbc']);
  assert.deepEqual([nowhere.code, /which server\?/.test(nowhere.stderr)], [2, true]);
});

test('a password is never printed, only where it goes', async () => {
  const users = await files.write('users', '"app" "the secret"\n');
  const auth = ['--local-auth', 'scram-sha-256', '--local-users-file', users];
  const { code, stdout, stderr } = await runProgram(['connect', 'myserver', ...auth, '--for', 'all']);
  assert.equal(code, 0);
  assert.doesNotMatch(stdout + stderr, /the secret/);
  const asking = ['postgresql://app:YOUR-PASSWORD@', '&password=YOUR-PASSWORD&', 'password="YOUR-PASSWORD"'];
  for (const part of asking) assert.ok(stdout.includes(part), part);
});

test('what the environment says that is no setting is told', async () => {
  const { code, stderr } = await runProgram(['connect', 'myserver'], { PGEP_PROT: '1' });
  assert.equal(code, 0);
  assert.match(stderr, /PGEP_PROT is not a setting/);
});
