import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { startCredentialBench } from '../support/credentials.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** A role, and a file with the token that the server lets in as it. */
async function createRole(role: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const token = bench.keepSecret(createTestToken({ upn: role, ...claims }));
  const name = escapeIdentifier(role);
  await bench.server.postgres.admin(`drop role if exists ${name}`);
  await bench.server.postgres.admin(`create role ${name} login password ${escapeLiteral(token)}`);
  return bench.files.write(`token of ${role}`, token);
}

async function whoIs(port: number, user: string, password?: string): Promise<string | undefined> {
  await using connection = await connectPg(port, { user, password });
  const { rows } = await connection.client.query<{ current_user: string }>('select current_user');
  return rows[0]?.current_user;
}

test('one proxy serves several identities, and lets native roles log in with their own password', async () => {
  const [main, app, report] = await Promise.all([
    createRole('main'),
    createRole('app'),
    createRole('Reports'),
  ]);
  const { postgres } = bench.server;
  await postgres.admin("create role legacy login password 'a password of its own'");
  const config = await bench.files.write(
    'proxy.yaml',
    `
credential: token-file
token-file: ${main}
client-users:
  report: { credential: token-file, token-file: ${report}, user: Reports }
  app: { credential: token-file, token-file: ${app} }
  legacy: { pass-through: true }
`,
  );
  await using proxy = await bench.startProxy(['--config', config]);
  const { port } = proxy;
  assert.deepEqual(
    [
      await whoIs(port, 'report'),
      await whoIs(port, 'app'),
      await whoIs(port, 'anybody'),
      await whoIs(port, 'legacy', 'a password of its own'),
    ],
    ['Reports', 'app', 'main', 'legacy'],
  );
  await assert.rejects(whoIs(port, 'legacy', 'wrong'), { code: '28P01' });
  const { msg, sessionId } = await proxy.program.find('client-user');
  assert.match(String(msg), /names user "anybody", which is ignored/);
  assert.equal(typeof sessionId, 'number');
  await proxy.program.find('ready');
  assert.match(proxy.program.stderr, /client user report logs in as Reports \(credential: token-file\)/);
});

/** The ports of all listeners, in the order in which they are told. */
function portsIn(stderr: string): number[] {
  return [...stderr.matchAll(/"event":"listening","address":"127\.0\.0\.1","port":(\d+)/g)].map(([, port]) =>
    Number(port),
  );
}

test('one program serves several servers, each on a port of its own', async () => {
  const [one, two] = await Promise.all([createRole('one'), createRole('two')]);
  const second = new URLSearchParams({ 'token-file': two, 'server-name': SERVER_NAME });
  const flags = ['--credential', 'token-file', '--token-file', one];
  await using proxy = await bench.startProxy([`second.example?${second.toString()}`, ...flags]);
  await until('both to listen', () => portsIn(proxy.program.stderr).length === 2);
  const roles = await Promise.all(portsIn(proxy.program.stderr).map((port) => whoIs(port, 'anybody')));
  assert.deepEqual(new Set(roles), new Set(['one', 'two']));
  await until(
    'their sessions to be told',
    () => (proxy.program.stderr.match(/"event":"session"/g) ?? []).length === 2,
  );
  assert.match(proxy.program.stderr, /"server":"second\.example"[^\n]*"role":"two"/);
});

test('a program that cannot have one of its ports says which, and stops', async () => {
  const token = await createRole('three');
  const flags = ['--credential', 'token-file', '--token-file', token];
  await using first = await bench.startProxy(flags);
  const { code, stderr } = await runProgram([
    `one.example?port=${first.port}`,
    'two.example?port=0',
    `three.example?port=${first.port}`,
    ...flags,
  ]);
  assert.equal(code, 1);
  const problems = stderr.match(
    new RegExp(`cannot start: port ${first.port} on 127\\.0\\.0\\.1 is in use`, 'g'),
  );
  assert.equal(problems?.length, 2, stderr);
});
