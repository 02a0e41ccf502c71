import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import {
  missingPgbouncer,
  type RunningPgbouncer,
  startPgbouncer,
  writeForPgbouncer,
} from '../support/pgbouncer.ts';
import {
  connectTo,
  guideBlock,
  type PoolingBench,
  startPoolingBench,
  WHO,
  type Who,
} from '../support/pooling.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { portsIn } from '../support/program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const ONE_PORT = guideBlock('sh', 'pg-entra-proxy myserver:6432\n');
const TWO_PORTS = guideBlock('sh', "'myserver?port=6433'");

/** Stands in for Azure's own: TLS with the server's certificate, and the token as a cleartext password. */
async function startBuiltIn({ server, files }: PoolingBench): Promise<RunningPgbouncer> {
  const { certPem, keyPem } = await server.authority.issue({ dnsNames: [SERVER_NAME] });
  const lines = [
    '[databases]',
    `* = host=127.0.0.1 port=${server.postgres.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    'listen_port = PORT',
    'unix_socket_dir =',
    'auth_type = plain',
    `auth_file = ${await writeForPgbouncer(files, 'tokens.txt', `"${TEST_ROLE}" "${server.token}"\n`)}`,
    'pool_mode = transaction',
    `stats_users = ${TEST_ROLE}`,
    'client_tls_sslmode = require',
    `client_tls_key_file = ${await writeForPgbouncer(files, 'pgbouncer.key', keyPem)}`,
    `client_tls_cert_file = ${await writeForPgbouncer(files, 'pgbouncer.crt', certPem)}`,
    'server_tls_sslmode = require',
    '',
  ];
  return startPgbouncer(files, 'pgbouncer.ini', lines.join('\n'));
}

describe("a PgBouncer like Azure's own behind the proxy", { skip: missingPgbouncer() }, () => {
  let bench: PoolingBench;
  let pooler: RunningPgbouncer;

  before(async () => {
    bench = await startPoolingBench();
    pooler = await startBuiltIn(bench);
  });

  after(async () => {
    await pooler[Symbol.asyncDispose]();
    await bench[Symbol.asyncDispose]();
  });

  const withPort = (command: string): string => command.replaceAll(':6432', `:${pooler.port}`).trim();

  async function startProxy(): Promise<AsyncDisposable & { readonly port: number }> {
    const program = await bench.startProxy(`${withPort(ONE_PORT)} --port 0`);
    const [port = 0] = portsIn(program.stderr);
    return { port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  }

  test('logins, over warm connections and in one flight too, share a session of the server', async () => {
    await using proxy = await startProxy();
    const rows: Who[] = [];
    for (let count = 0; count < 5; count += 1) {
      const client = await connectTo(proxy.port, { user: 'anyone' });
      rows.push(...(await client.query<Who>(WHO)).rows);
      await client.end();
    }
    assert.equal(rows[0]?.current_user, TEST_ROLE);
    assert.deepEqual(
      rows,
      Array.from({ length: 5 }, () => rows[0]),
    );
  });

  test("PgBouncer's console is reached, and its refusals come in its own words", async () => {
    await using proxy = await startProxy();
    const client = await connectTo(proxy.port, { user: 'anyone', database: 'pgbouncer' });
    const { rows } = await client.query<{ database: string }>('show pools;');
    assert.ok(rows.some(({ database }) => database === 'pgbouncer'));
    await client.end();
    const refused = connectTo(proxy.port, { user: 'anyone', options: '-c extra_float_digits=2' });
    await assert.rejects(refused, /unsupported startup parameter/);
  });

  test('two ports of one proxy lead to the pooled server and to the bare one', async () => {
    const bare = `port=0&upstream-port=${bench.server.postgres.port}`;
    const command = `${withPort(TWO_PORTS).replace('port=6433', bare)} --port 0`;
    await using program = await bench.startProxy(command);
    await until('both ports', () => portsIn(program.stderr).length === 2);
    const ports = portsIn(program.stderr);
    const [upstream] = /"upstream":"[^"]*"/.exec(program.stderr) ?? [];
    if (upstream?.includes(`:${pooler.port}"`) !== true) ports.reverse();
    const [pooledPort = 0, barePort = 0] = ports;
    const listener = await connectTo(barePort, { user: 'anyone' });
    await listener.query('listen news');
    const notified = once(listener, 'notification');
    const client = await connectTo(pooledPort, { user: 'anyone' });
    await client.query('notify news');
    await notified;
    await Promise.all([client.end(), listener.end()]);
    assert.match(pooler.output(), /login attempt: db=app/);
  });

  test('check finds nothing wrong on the way through PgBouncer', async () => {
    await using program = await bench.run(withPort('pg-entra-proxy check myserver:6432 --port 0 --json'));
    assert.deepEqual(await program.exit, { code: 0, signal: null });
    const { steps } = JSON.parse(program.stdout) as { steps: { id: string; status: string }[] };
    const bad = steps.filter(({ status }) => status === 'failed' || status === 'skipped');
    assert.deepEqual(bad, []);
  });
});
