import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';

import { LoginGate } from '../../src/proxy/login-gate.ts';
import { missing, runClient } from '../support/clients.ts';
import { passing } from '../support/pass-through.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const CROWD = 60;
const MAX_LOGINS = 4;

/** Takes the one place of a gate, until the function it gives is called. */
function occupy(gate: LoginGate): () => void {
  const held = Promise.withResolvers<void>();
  void gate.admit(() => held.promise, new AbortController().signal);
  return held.resolve;
}

const server = await startTestServer();
after(() => server.postgres.stop());

test(`a burst of ${CROWD} clients at ${MAX_LOGINS} concurrent logins all get in, and none is told so`, async () => {
  const loginGate = new LoginGate(MAX_LOGINS);
  await using proxy = await proxyTo(server, { loginGate });
  const users = await Promise.all(
    Array.from({ length: CROWD }, async () => {
      await using connection = await connectPg(proxy.port);
      connection.client.on('notice', ({ message }) => assert.fail(message));
      return (await connection.client.query('select current_user')).rows[0];
    }),
  );
  assert.equal(users.length, CROWD);
  assert.deepEqual(
    users,
    users.map(() => ({ current_user: TEST_ROLE })),
  );
  assert.deepEqual([loginGate.underWayCount, loginGate.waitingCount], [0, 0]);
});

test('psql that waited long shows why, and works', { skip: missing('psql') }, async () => {
  const loginGate = new LoginGate(1, 0);
  await using proxy = await proxyTo(server, { loginGate });
  const letIn = occupy(loginGate);
  const psql = runClient('psql', ['-wAtc', 'select 42'], proxy.port);
  await until('psql to wait', () => loginGate.waitingCount === 1);
  letIn();
  const { stdout, stderr } = await psql;
  assert.equal(stdout.trim(), '42');
  assert.match(stderr, /^NOTICE: {2}the login waited \d+ s for one of 1 concurrent logins to finish\nHINT: /);
});

for (const who of ['identity', 'passThrough'] as const) {
  test(`pg that waited long gets one NOTICE, behind AuthenticationOk (${who})`, async () => {
    const loginGate = new LoginGate(1, 0);
    const clientUsers = who === 'identity' ? new Map() : passing(TEST_ROLE);
    await using proxy = await proxyTo(server, { loginGate, clientUsers });
    const letIn = occupy(loginGate);
    const ssl = { ssl: false, host: '127.0.0.1', port: proxy.port, database: 'app' };
    const client = new pg.Client({ ...ssl, user: TEST_ROLE, password: server.token });
    const heard: string[] = [];
    client.on('notice', ({ message }) => heard.push(message ?? ''));
    client.connection.on('authenticationOk', () => heard.push('ok'));
    const connected = client.connect();
    await until('pg to wait', () => loginGate.waitingCount === 1);
    letIn();
    await connected;
    await client.end();
    assert.deepEqual(
      heard.map((text) => text.replace(/ \d+ s /, ' ')),
      ['ok', 'the login waited for one of 1 concurrent logins to finish'],
    );
  });
}
