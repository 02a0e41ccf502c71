import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import type { Claims } from '../../../src/identity/claims.ts';
import { ManagementName } from '../../../src/identity/management-name.ts';
import { type AccessToken, createAccessToken } from '../../../src/identity/token-source.ts';
import { jwt } from '../tokens.ts';

const OID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';
const MACHINE = '/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm1';

/** A token for the server that says no name. */
function nameless(oid: string | undefined = OID): AccessToken {
  return createAccessToken(jwt({ oid, exp: 2_000_000_000 }), 'the test', { now: Date.now() });
}

/** A name whose source answers what the test says, at a time that the test says. */
function createName(fetch: (signal: AbortSignal) => Promise<Claims | undefined>, fetchTimeoutMs = 5_000) {
  const clock = { now: 0 };
  const asked = { times: 0 };
  const source = {
    name: 'test',
    fetchToken: () => Promise.resolve(nameless()),
    fetchManagementClaims: (signal: AbortSignal) => {
      asked.times += 1;
      return fetch(signal);
    },
  };
  return { name: new ManagementName(source, { fetchTimeoutMs, now: () => clock.now }), clock, asked };
}

/** That it was refused for good, as with no second source; gives what was found out. */
async function refusal(promise: Promise<string>): Promise<string> {
  const error: unknown = await promise.then(assert.fail, (reason: unknown) => reason);
  assert.ok(error instanceof ProxyError);
  assert.equal(error.sqlState, '28000');
  assert.match(error.hint ?? '', /pgaadauth_create_principal/);
  return String((error.cause as Error | undefined)?.message);
}

const outage = new ProxyError(SqlState.cannotConnectNow, 'cannot reach Entra', { hint: 'Try again.' });

test('the name in the token for management is fetched once, however many wait for it and come later', async () => {
  const { promise, resolve } = Promise.withResolvers<Claims>();
  const { name, asked, clock } = createName(() => promise);
  const waiting = Array.from({ length: 20 }, () => name.of(nameless()));
  resolve({ oid: OID, xms_mirid: MACHINE });
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['vm1']));
  clock.now = 1e9;
  assert.equal(await name.of(nameless()), 'vm1');
  assert.equal(asked.times, 1);
});

test("another identity's name is fetched anew, and the one before is not given for it", async () => {
  const claims = { oid: OID, upn: 'first' };
  const { name, asked } = createName(async () => claims);
  assert.equal(await name.of(nameless()), 'first');
  Object.assign(claims, { oid: 'other', upn: 'second' });
  assert.equal(await name.of(nameless('other')), 'second');
  assert.equal(asked.times, 2);
});

test('a token for management of another identity, or of nobody, is ignored', async () => {
  for (const oid of ['other', undefined]) {
    const { name } = createName(async () => ({ oid, upn: 'mallory' }));
    assert.match(await refusal(name.of(nameless())), /another identity/);
  }
});

test('a token without an object id is not asked about', async () => {
  const { name, asked } = createName(async () => ({ upn: 'mallory' }));
  for (const token of [
    createAccessToken(jwt({}), 'the test', { now: 0 }),
    { ...nameless(), claims: undefined },
  ]) {
    assert.equal(await refusal(name.of(token)), 'undefined');
  }
  assert.equal(asked.times, 0);
});

test('no name there either, and no such token, is refused for good', async () => {
  assert.match(await refusal(createName(async () => ({ oid: OID })).name.of(nameless())), /nor does/);
  const refused = new ProxyError(SqlState.invalidAuthorization, 'AADSTS500011: no such resource');
  const { name } = createName(() => Promise.reject(refused));
  assert.equal(await refusal(name.of(nameless())), 'AADSTS500011: no such resource');
  assert.match(await refusal(createName(() => Promise.reject(new Error('odd'))).name.of(nameless())), /odd/);
});

test('a source that gives no tokens for management is refused for good', async () => {
  const source = { name: 'token-file', fetchToken: () => Promise.resolve(nameless()) };
  assert.equal(await refusal(new ManagementName(source).of(nameless())), 'undefined');
  assert.equal(await refusal(new ManagementName(undefined).of(nameless())), 'undefined');
});

test('an outage is told as one, and answers for five seconds; after that the name is asked for again', async () => {
  let answer: Claims | ProxyError = outage;
  const { name, asked, clock } = createName(async () => {
    if (answer instanceof ProxyError) throw answer;
    return answer;
  });
  const toldAsOutage = {
    sqlState: '57P03',
    message: /does not say which role.*: cannot reach Entra$/,
    hint: 'Try again. Or give the role with --user NAME.',
  };
  await assert.rejects(name.of(nameless()), toldAsOutage);
  answer = { oid: OID, upn: 'bob' };
  clock.now = 4_999;
  await assert.rejects(name.of(nameless()), toldAsOutage);
  assert.equal(asked.times, 1);
  clock.now = 5_000;
  assert.equal(await name.of(nameless()), 'bob');
  assert.equal(asked.times, 2);
});

test('a source that does not answer is given up as an outage, and told so', async () => {
  let given: AbortSignal | undefined;
  const { name } = createName((signal) => {
    given = signal;
    return new Promise(() => {});
  }, 20);
  // The timer of a signal alone keeps no process alive.
  const alive = setInterval(() => {}, 1_000);
  try {
    await assert.rejects(name.of(nameless()), { sqlState: '57P03', message: /none came within 0\.02 s/ });
  } finally {
    clearInterval(alive);
  }
  assert.equal(given?.aborted, true);
});
