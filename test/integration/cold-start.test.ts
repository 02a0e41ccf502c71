import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { after, test } from 'node:test';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { connectPg, type TestClient } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const CLIENTS = 50;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

test('clients that all arrive before the first token share one request for it', async () => {
  await using entra = await bench.startEntra();
  const hold = Promise.withResolvers<'normal'>();
  entra.behave = () => hold.promise;
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, APPLICATION);
  await using clients = new AsyncDisposableStack();
  let arrived = 0;
  const stream = (): Socket => new Socket().once('connect', () => (arrived += 1));
  const logins = Array.from({ length: CLIENTS }, async (): Promise<TestClient> => {
    return clients.use(await connectPg(proxy.port, { stream }));
  });
  await until('all clients to arrive', () => arrived === CLIENTS);
  hold.resolve('normal');
  const roles = (await Promise.all(logins)).map(async ({ client }) => {
    const { rows } = await client.query<{ current_user: string }>('select current_user');
    return rows[0]?.current_user;
  });
  assert.deepEqual(new Set(await Promise.all(roles)), new Set([TEST_ROLE]));
  assert.equal(entra.requests, 1);
});
