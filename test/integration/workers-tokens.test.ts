import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { escapeLiteral } from 'pg';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { createTestFiles } from '../support/files.ts';
import { startImds } from '../support/imds.ts';
import type { LogLine } from '../support/log.ts';
import { fatal, STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient, refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { linesOf, workersOfSessions } from '../support/workers.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const EXPIRED = fatal('28000', 'The access token has expired. Please acquire a new token and retry.');

const IDENTITY = ['--credential', 'environment', '--workers', '3'];

test('a crowd that comes before the first token makes one request for it, over three workers', async () => {
  await using entra = await bench.startEntra();
  const held = Promise.withResolvers<void>();
  entra.behave = async () => {
    await held.promise;
    return 'normal' as const;
  };
  const flags = [...IDENTITY, '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  const logins = Array.from({ length: 60 }, () => proxy.whoAmI());
  await until('sessions in all workers', () => {
    const workers = workersOfSessions(proxy.program);
    return workers.size === 60 && new Set(workers.values()).size === 3;
  });
  held.resolve();
  assert.deepEqual(new Set(await Promise.all(logins)), new Set([TEST_ROLE]));
  assert.equal(entra.requests, 1);
});

test('no login of any worker fails while short-lived tokens come and go', async () => {
  await using entra = await bench.startEntra({ lifetimeSeconds: 5 });
  const flags = [...IDENTITY, '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  const workers = new Set<number>();
  while (entra.requests < 3) {
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    for (const worker of workersOfSessions(proxy.program).values()) workers.add(worker);
  }
  assert.equal(workers.size, 3);
});

test('a token that the server calls expired is replaced unseen, and the source asked once, whichever workers notice', async () => {
  await using attack = await startAttack();
  await using files = await createTestFiles();
  const args = await attackArguments(attack, files);
  await using program = await startListening([...args, '--workers', '3', '--log-level', 'debug']);
  await program.find('ready');
  const fresh = createTestToken();
  attack.server.script = async (connection) => {
    const isFresh = (await connection.acceptToken()) === fresh;
    connection.send(isFresh ? WELCOME : EXPIRED);
    if (isFresh) await connection.serve();
    else connection.end();
  };
  await files.write('token', fresh);
  const clients = Array.from({ length: 6 }, () => new RawClient(program.port).send(STARTUP));
  for (const client of clients) assert.deepEqual(await client.hear(WELCOME.length), WELCOME);
  await until('the log of each', () => workersOfSessions(program).size === 6);
  assert.deepEqual(new Set(workersOfSessions(program).values()), new Set([1, 2, 3]));
  await until('the log of the token', () => linesOf(program, 'token').length >= 2);
  assert.equal(linesOf(program, 'token').length, 2);
  for (const { socket } of clients) socket.destroy();
});

test('why there is no token is told with its SQLSTATE, message and HINT in every worker', async () => {
  await using entra = await bench.startEntra();
  const flags = [...IDENTITY, '--user', TEST_ROLE, ...entraFlags(entra)];
  const wrong = bench.keepSecret('not~the~secret~of~this~application');
  await using proxy = await bench.startProxy(flags, { ...APPLICATION, AZURE_CLIENT_SECRET: wrong });
  await proxy.program.find('token-failed');
  const refusals = await Promise.all(Array.from({ length: 6 }, () => refusedLogin(proxy.port)));
  for (const { code, message, hint } of refusals) {
    assert.equal(code, '28000');
    assert.match(message, /AADSTS7000215/);
    assert.ok(hint !== undefined && hint !== '');
  }
  await until('the end of each', () => linesOf(proxy.program, 'session').length === 6);
  const ends = linesOf(proxy.program, 'session');
  assert.equal(new Set(ends.map((line) => line['worker'])).size, 3);
});

test('a new token comes to every worker, and sessions go on that have logged in with the one before', async () => {
  await bench.server.acceptToken(bench.server.token);
  const file = await bench.files.write('changing-token', bench.server.token);
  const flags = ['--credential', 'token-file', '--token-file', file, '--workers', '3'];
  await using proxy = await bench.startProxy(flags);
  await proxy.program.find('ready');
  await using lasting = await connectPg(proxy.port);
  const fresh = bench.keepSecret(createTestToken({ upn: TEST_ROLE }));
  await bench.files.write('changing-token', fresh);
  await bench.server.acceptToken(fresh);
  // The file is read again when the token's time comes; until then the old token is refused.
  await until('the new token', async () => proxy.letsIn());
  const last = Math.max(...workersOfSessions(proxy.program).keys());
  const roles = await Promise.all(Array.from({ length: 9 }, () => proxy.whoAmI()));
  assert.deepEqual(new Set(roles), new Set([TEST_ROLE]));
  const later = (): LogLine[] =>
    linesOf(proxy.program, 'session').filter(({ sessionId }) => Number(sessionId) > last);
  await until('the end of each', () => later().length === 9);
  // None of them had to find out that the old one is no good.
  assert.ok(later().every((line) => line['retriedWithFreshToken'] === undefined));
  assert.equal((await lasting.client.query('select 1')).rowCount, 1);
  await bench.server.acceptToken(bench.server.token);
});

test('a role that only another token tells is asked for once, for all workers', async () => {
  const oid = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';
  const own = { upn: undefined, oid, idtyp: 'app' };
  const forServers = bench.keepSecret(createTestToken(own));
  const management = 'https://management.azure.com';
  const mirid = '/subscriptions/1/resourcegroups/shop/providers/Microsoft.Compute/virtualMachines/vm-orders';
  const forManagement = bench.keepSecret(createTestToken({ ...own, aud: management, xms_mirid: mirid }));
  const servers = 'https://ossrdbms-aad.database.windows.net';
  await using machine = await startImds({
    issueToken: async (resource) => (resource === management ? forManagement : forServers),
    resources: [servers, management],
  });
  await bench.server.postgres.admin(`create role "vm-orders" login password ${escapeLiteral(forServers)}`);
  await using proxy = await bench.startProxy(
    ['--credential', 'managed-identity', '--workers', '3'],
    machine.env,
  );
  const roles = await Promise.all(Array.from({ length: 6 }, () => proxy.whoAmI()));
  assert.deepEqual(new Set(roles), new Set(['vm-orders']));
  await until('the log of each', () => workersOfSessions(proxy.program).size === 6);
  assert.deepEqual(new Set(workersOfSessions(proxy.program).values()), new Set([1, 2, 3]));
  assert.deepEqual(
    machine.requests.map(({ query }) => query['resource']),
    [servers, management],
  );
});
