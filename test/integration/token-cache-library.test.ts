import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import tls from 'node:tls';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { type DemoEntra, startEntra } from '../../src/demo/entra.ts';
import { createTokenSource } from '../../src/identity/credentials.ts';
import { TokenCache, type TokenEvent } from '../../src/identity/token-cache.ts';
import { APPLICATION, CLIENT_ID, TENANT_ID } from '../support/credentials.ts';
import { until } from '../support/wait.ts';

const HOUR = 3_600_000;

Object.assign(process.env, APPLICATION);
const authority = await createCertificateAuthority('a stand-in for Entra');
tls.setDefaultCACertificates([authority.certPem]);
const certificate = await authority.issue({ ipAddresses: ['127.0.0.1'] });

/** A cache over the real library, in this process, where its clock and its patience can be set. */
async function setUp(
  stack: AsyncDisposableStack,
  { fetchTimeoutMs = 30_000, lifetimeSeconds = 3_600 } = {},
): Promise<{ entra: DemoEntra; cache: TokenCache; events: TokenEvent[] }> {
  const entra = stack.use(
    await startEntra({ ...certificate, tenantId: TENANT_ID, clientId: CLIENT_ID, lifetimeSeconds }),
  );
  const source = createTokenSource({
    credential: 'environment',
    scope: 'https://ossrdbms-aad.database.windows.net/.default',
    managementScope: 'https://management.azure.com/.default',
    authorityHost: entra.authorityHost,
    disableInstanceDiscovery: true,
    tellUser: () => {},
    onChosen: () => {},
  });
  const events: TokenEvent[] = [];
  const cache = new TokenCache(source, { fetchTimeoutMs, onEvent: (event) => events.push(event) });
  stack.defer(() => cache.close());
  return { entra, cache, events };
}

function isServed(cache: TokenCache): Promise<boolean> {
  return cache.getToken().then(
    () => true,
    () => false,
  );
}

// The cache's timer alone does not keep this process running.
const alive = setInterval(() => {}, HOUR);
after(() => clearInterval(alive));

// Date itself jumps: for the cache, for the library and for what it has cached.
test('after a sleep past its end a token is replaced before anybody gets it', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using stack = new AsyncDisposableStack();
  const { entra, cache } = await setUp(stack);
  const first = await cache.getToken();
  t.mock.timers.setTime(Date.now() + 2 * HOUR);
  const second = await cache.getToken();
  assert.notEqual(second.value, first.value);
  assert.ok(second.expiresAt > Date.now());
  assert.equal(entra.requests, 2);
});

test('after a sleep past half of its life a token serves, and is really replaced behind it', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using stack = new AsyncDisposableStack();
  const { entra, cache } = await setUp(stack);
  const first = await cache.getToken();
  t.mock.timers.setTime(Date.now() + 0.6 * HOUR);
  assert.equal(await cache.getToken(), first);
  await until('another token', () => cache.current?.value !== first.value);
  assert.equal(entra.requests, 2);
});

test('when the clock was set back a token serves, and is replaced by one whose end is known', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using stack = new AsyncDisposableStack();
  const { entra, cache } = await setUp(stack);
  const first = await cache.getToken();
  t.mock.timers.setTime(Date.now() - 24 * HOUR);
  assert.equal(await cache.getToken(), first);
  await until('another token', () => cache.current?.value !== first.value);
  assert.ok((await cache.getToken()).expiresAt < Date.now() + 2 * HOUR);
  for (let session = 0; session < 100; session += 1) await cache.getToken();
  assert.equal(entra.requests, 2);
});

describe('a cache over a library whose endpoint is out of order', { concurrency: 3 }, () => {
  test('while the endpoint hangs, the first without a token waits, the others are told at once', async () => {
    await using stack = new AsyncDisposableStack();
    const { entra, cache, events } = await setUp(stack, { fetchTimeoutMs: 1_500 });
    let [asked, givenUp] = [0, 0];
    entra.behave = (request, response) => {
      if (request.method !== 'POST') return 'normal';
      asked += 1;
      response.once('close', () => (givenUp += 1));
      return 'handled';
    };
    const hang = { sqlState: '57P03', message: 'the credential "environment" gave no token within 1.5 s' };
    await assert.rejects(cache.getToken(), hang);
    await until('the request that nobody waits for to be given up', () => givenUp === 1);
    await until('the retry', () => asked === 2);
    const waiting = Array.from({ length: 200 }, () => cache.getToken());
    for (const result of await Promise.allSettled(waiting)) {
      assert.equal(result.status === 'rejected' && (result.reason as Error).message, hang.message);
    }
    await assert.rejects(cache.getToken(), hang);
    assert.deepEqual([asked, events.length], [2, 1], 'the retry still hangs');

    await until('the retry to be given up', () => givenUp === 2);
    entra.behave = ({ method }) => {
      if (method === 'POST') asked += 1;
      return 'normal';
    };
    await until('a token', () => isServed(cache));
    assert.equal(asked, 3);
  });

  test('a token that ends while its refreshes hang leaves no session hanging', async () => {
    await using stack = new AsyncDisposableStack();
    const { entra, cache, events } = await setUp(stack, { fetchTimeoutMs: 1_500, lifetimeSeconds: 4 });
    const { expiresAt } = await cache.getToken();
    entra.behave = () => 'handled';
    await until('a refresh that fails', () => events.at(-1)?.kind === 'failed');
    await until('the end of the token', () => Date.now() >= expiresAt);
    const failures = events.length;
    await assert.rejects(cache.getToken(), { sqlState: '57P03', message: /gave no token within 1\.5 s$/ });
    assert.ok(events.length <= failures + 1, 'it was told what had failed before');
    entra.behave = undefined;
    await until('a token', () => isServed(cache));
  });

  test('a library that was refused once asks again as soon as the cache does', async () => {
    await using stack = new AsyncDisposableStack();
    const { entra, cache } = await setUp(stack);
    // MSAL by itself sends nothing more for a minute.
    entra.behave = ({ method }, response) => {
      if (method !== 'POST') return 'normal';
      response.writeHead(503).end('{}');
      return 'handled';
    };
    await assert.rejects(cache.getToken(), { sqlState: '57P03' });
    entra.behave = undefined;
    await until('a token', () =>
      cache.getToken().then(
        () => true,
        () => false,
      ),
    );
  });
});
