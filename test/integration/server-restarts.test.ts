import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Availability } from '../../src/upstream/availability.ts';
import { startTestServer } from '../support/postgres.ts';
import { proxyTo, type TestProxy } from '../support/proxy.ts';
import { startPostmaster, stopPostmaster } from '../support/restart.ts';
import { until } from '../support/wait.ts';
import { message, WireClient } from '../support/wire.ts';

const POOLS = 8;

/** One login: undefined if it went well, or what it was told instead. */
async function logIn(proxy: TestProxy): Promise<string | undefined> {
  const client = new WireClient(proxy.dial());
  client.startUp();
  await until(
    'the end of a login',
    () => client.of('R').length + client.of('E').length > 0 || client.closed,
    60_000,
  );
  // What comes behind AuthenticationOk is between client and server.
  if (client.of('R').length === 0) return client.closed ? 'closed' : (await client.waitError()).message;
  client.send(message('X'));
  client.socket.end();
  await until('the session to end', () => client.closed || client.ended);
  return undefined;
}

test('no login fails while the server is stopped and started again under a crowd that reconnects', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using proxy = await proxyTo(server, {
    availability: new Availability(),
    connectTimeoutMs: 30_000,
    loginTimeoutMs: 60_000,
  });
  const failures: string[] = [];
  let logins = 0;
  const over = new AbortController();
  const pools = Array.from({ length: POOLS }, async () => {
    while (!over.signal.aborted) {
      const failure = await logIn(proxy);
      if (failure !== undefined) failures.push(failure);
      logins += 1;
    }
  });
  await until('logins to go well', () => logins > POOLS);
  await stopPostmaster(server.postgres);
  await until('all to wait for the server', () => proxy.deps.loginGate.underWayCount === POOLS);
  await using restarted = new AsyncDisposableStack();
  restarted.use(await startPostmaster(server.postgres));
  const before = logins;
  await until('logins to go well again', () => logins > before + 2 * POOLS, 30_000);
  over.abort();
  await Promise.all(pools);
  assert.deepEqual(failures, []);
  const states = proxy.log.lines
    .map((line) => line['event'])
    .filter((event) => String(event).startsWith('server-'));
  // A login under way when the server stops may still go well: then there are two outages.
  assert.match(states.join(), /^server-away,(?:server-back,server-away,)*server-back$/);
});
