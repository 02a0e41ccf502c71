import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { type CredentialProxy, startCredentialBench } from '../support/credentials.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { MAIN, type Program, portsIn, startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A role, and a file with the token that the server lets in as it. */
async function createRole(role: string): Promise<string> {
  const token = bench.keepSecret(createTestToken({ upn: role }));
  const name = escapeIdentifier(role);
  await bench.server.postgres.admin(`drop role if exists ${name}`);
  await bench.server.postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  return bench.files.write(`token of ${role}`, token);
}

async function whoIs(port: number, user = 'anybody'): Promise<string | undefined> {
  await using connection = await connectPg(port, { user });
  const { rows } = await connection.client.query<{ current_user: string }>('select current_user');
  return rows[0]?.current_user;
}

/** Changes the file of a program, and waits until the program has read it again. */
async function reload(program: Program, config: string, yaml: string): Promise<void> {
  const count = (): number => program.stderr.match(/"event":"reload(?:ed|-failed)"/g)?.length ?? 0;
  const before = count();
  await writeFile(config, yaml);
  program.child.kill('SIGHUP');
  await until('the configuration to be read again', () => count() > before);
}

/** A proxy with a file of its own, which the test can change. */
async function startProxy(yaml: string): Promise<CredentialProxy & { reload(yaml: string): Promise<void> }> {
  const config = await bench.files.write('reload.yaml', yaml);
  const proxy = await bench.startProxy(['--config', config]);
  await proxy.program.find('ready');
  return { ...proxy, reload: (text) => reload(proxy.program, config, text) };
}

function identity(tokenFile: string, more = ''): string {
  return `credential: token-file\ntoken-file: ${tokenFile}\n${more}`;
}

test('SIGHUP: new sessions have what has changed, those that run keep what they had', async () => {
  const [one, two] = await Promise.all([createRole('one'), createRole('two')]);
  await using proxy = await startProxy(identity(one));
  const { port } = proxy;
  await using old = await connectPg(port);
  await old.client.query('begin');
  await proxy.reload(
    identity(two, `client-users: { report: { user: one, credential: token-file, token-file: ${one} } }\n`),
  );
  assert.equal(await whoIs(port), 'two');
  assert.equal(await whoIs(port, 'report'), 'one');
  const { rows } = await old.client.query('select current_user as role');
  assert.deepEqual(rows, [{ role: 'one' }]);
  await old.client.query('commit');
});

test('SIGHUP: a file with problems changes nothing, and they are told', async () => {
  const one = await createRole('one');
  await using proxy = await startProxy(identity(one));
  await proxy.reload('credential: token-file\nprot: 1\nmax-sessions: none\n');
  const { msg } = await proxy.program.find('reload-failed');
  assert.match(
    String(msg),
    /the old one goes on: .*reload\.yaml:2:1 prot is not a setting.*max-sessions takes a whole/,
  );
  assert.equal(await whoIs(proxy.port), 'one');
  await proxy.reload(identity(one, 'max-sessions: 1\n'));
  await using only = await connectPg(proxy.port);
  await assert.rejects(whoIs(proxy.port), { code: '53300' });
  assert.equal((await only.client.query('select 1')).rowCount, 1);
});

test('SIGHUP reads the CA again', async () => {
  const one = await createRole('one');
  const stranger = await createCertificateAuthority('a stranger');
  const ca = await bench.files.write('changing-ca.pem', stranger.certPem);
  const flags = ['--upstream-address', '127.0.0.1', '--upstream-port', String(bench.server.postgres.port)];
  const token = ['--credential', 'token-file', '--token-file', one, '--port', '0'];
  await using program = startProgram([SERVER_NAME, '--ca', ca, ...flags, ...token]);
  await program.find('ready');
  const [port = 0] = portsIn(program.stderr);
  await assert.rejects(whoIs(port), { code: '08001' });
  await reload(program, ca, await readFile(bench.serverCa, 'utf8'));
  assert.equal(await whoIs(port), 'one');
});

test('SIGHUP: servers come and go; the sessions of one that goes end between transactions', async () => {
  const [one, two] = await Promise.all([createRole('one'), createRole('two')]);
  const first = `  - { server: ${SERVER_NAME}, port: 0, token-file: ${one} }\n`;
  const second = `  - { server: second.example, server-name: ${SERVER_NAME}, port: 0, token-file: ${two} }\n`;
  const upstream = [
    'upstream-address: 127.0.0.1',
    `upstream-port: ${bench.server.postgres.port}`,
    `ca: ${bench.serverCa}`,
    'credential: token-file',
    'servers:\n',
  ].join('\n');
  const config = await bench.files.write('estate.yaml', `${upstream}${first}`);
  await using program = startProgram(['--config', config, '--log-level', 'trace']);
  await program.find('ready');
  const ports = (): number[] => portsIn(program.stderr);
  const [firstPort = 0] = ports();
  await using stays = await connectPg(firstPort);
  await reload(program, config, `${upstream}${first}${second}`);
  const secondPort = ports()[1] ?? 0;
  assert.equal(await whoIs(secondPort), 'two');
  await using leaves = await connectPg(secondPort);
  await leaves.client.query('begin');
  await reload(program, config, `${upstream}${first}`);
  await assert.rejects(whoIs(secondPort), { code: 'ECONNREFUSED' });
  assert.equal((await leaves.client.query('select 1')).rowCount, 1);
  const ended = once(leaves.client, 'error');
  await leaves.client.query('commit');
  assert.equal((await ended)[0].code, '57P01');
  assert.equal((await stays.client.query('select 1')).rowCount, 1);
  assert.equal(await whoIs(firstPort), 'one');
});

test('SIGHUP under load loses no session and no login', async () => {
  const one = await createRole('one');
  await using proxy = await startProxy(identity(one));
  await using long = await connectPg(proxy.port);
  const done = { reloads: 0 };
  let logins = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (done.reloads < 8) {
      assert.equal(await whoIs(proxy.port), 'one');
      logins += 1;
    }
  });
  const reloading = (async () => {
    for (; done.reloads < 8; done.reloads += 1) {
      const due = logins + 4;
      await until('some logins', () => logins >= due);
      await proxy.reload(identity(one, `max-sessions: ${100 + done.reloads}\n`));
    }
  })();
  await Promise.all([...load, reloading]);
  assert.equal((await long.client.query('select 1')).rowCount, 1);
});

const SCRIPT = '/usr/bin/script';

test('a proxy that was started in a terminal stops when that is gone', {
  skip: !existsSync(SCRIPT),
}, async () => {
  const one = await createRole('one');
  const config = await bench.files.write('terminal.yaml', `server: x.example\nport: 0\n${identity(one)}`);
  const command = `exec '${process.execPath}' '${MAIN}' --config '${config}' --log-format json`;
  const terminal = spawn(SCRIPT, ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  let output = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until('the program to be ready', () => output.includes('"event":"ready"'));
  const children = await readFile(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8');
  const pid = Number(children.trim().split(' ')[0]);
  process.kill(pid, 'SIGHUP');
  await until('the configuration to be read again', () => output.includes('"event":"reloaded"'));
  terminal.kill('SIGKILL');
  await until('the program to stop', () => !isAlive(pid));
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
