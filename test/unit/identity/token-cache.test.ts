import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ProxyError } from '../../../src/errors.ts';
import { ThrottledError } from '../../../src/identity/credential-failures.ts';
import { TokenCache, type TokenEvent } from '../../../src/identity/token-cache.ts';
import type { AccessToken, TokenSource } from '../../../src/identity/token-source.ts';

const START = 1_700_000_000_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Fetch = PromiseWithResolvers<AccessToken> & { readonly signal: AbortSignal };

/** A source whose every fetch waits for the test to say how it ends, unless it has a standing answer. */
class TestSource implements TokenSource {
  readonly name = 'test';
  readonly fetches: Fetch[] = [];
  answer: (() => AccessToken) | undefined;

  fetchToken(signal: AbortSignal): Promise<AccessToken> {
    const fetch = { ...Promise.withResolvers<AccessToken>(), signal };
    this.fetches.push(fetch);
    if (this.answer !== undefined) fetch.resolve(this.answer());
    return fetch.promise;
  }

  get last(): Fetch {
    const fetch = this.fetches.at(-1);
    assert.ok(fetch !== undefined, 'nothing was fetched');
    return fetch;
  }
}

/** A cache whose clock and timers only move when told. */
function setUp(t: TestContext, fetchTimeoutMs = HOUR) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const source = new TestSource();
  const events: TokenEvent[] = [];
  const clock = { now: START, random: 0.5 };
  const cache = new TokenCache(source, {
    fetchTimeoutMs,
    now: () => clock.now,
    random: () => clock.random,
    onEvent: (event) => events.push(event),
  });
  t.after(() => cache.close());
  /** Lets time pass, a step at a time, with everything that happens in it. */
  const pass = async (milliseconds: number, step = SECOND): Promise<void> => {
    for (let passed = 0; passed < milliseconds; passed += step) {
      clock.now += step;
      t.mock.timers.tick(step);
      await turn();
    }
  };
  const token = (value: string, lifetime: number, refreshIn?: number): AccessToken => ({
    value,
    expiresAt: clock.now + lifetime,
    refreshAt: refreshIn === undefined ? undefined : clock.now + refreshIn,
    claims: undefined,
  });
  /** Fetches a first token. */
  const warmUp = async (first: AccessToken): Promise<void> => {
    const got = cache.getToken();
    source.last.resolve(first);
    assert.equal(await got, first);
  };
  return { cache, source, events, clock, pass, token, warmUp };
}

/** Whether a promise has come to an end by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await turn();
  return settled;
}

test('nothing is fetched before the first session asks', async (t) => {
  const { cache, source, pass } = setUp(t);
  await pass(MINUTE);
  assert.equal(source.fetches.length, 0);
  assert.equal(cache.current, undefined);
  assert.equal(cache.credential, 'test');
});

test('200 sessions that wait for the first token share one fetch', async (t) => {
  const { cache, source, token, events } = setUp(t);
  const waiting = Array.from({ length: 200 }, () => cache.getToken());
  assert.equal(source.fetches.length, 1);
  const first = token('first', HOUR);
  source.last.resolve(first);
  for (const got of await Promise.all(waiting)) assert.equal(got, first);
  assert.equal(await cache.getToken(), first);
  assert.equal(source.fetches.length, 1);
  assert.deepEqual(events, [{ kind: 'refreshed', token: first }]);
});

test('200 sessions share one failure, as do those in the second after it; then the source is asked again', async (t) => {
  const { cache, source, pass, token, events } = setUp(t);
  const waiting = Array.from({ length: 200 }, () => cache.getToken());
  const error = new Error('no network');
  source.last.reject(error);
  for (const result of await Promise.allSettled(waiting)) {
    assert.ok(result.status === 'rejected' && result.reason === error);
  }
  assert.equal(source.fetches.length, 1);
  assert.deepEqual(events, [{ kind: 'failed', error, validUntil: undefined }]);
  await assert.rejects(cache.getToken(), (again) => again === error);
  assert.equal(source.fetches.length, 1);
  await pass(SECOND);
  const next = cache.getToken();
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('late', HOUR));
  assert.equal((await next).value, 'late');
});

test('a token is refreshed after half of its life without anybody asking, be it long or short', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', HOUR));
  await pass(30 * MINUTE - SECOND);
  assert.equal(source.fetches.length, 1);
  await pass(SECOND);
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('second', 20 * SECOND));
  await turn();
  assert.equal((await cache.getToken()).value, 'second');
  await pass(9 * SECOND);
  assert.equal(source.fetches.length, 2);
  await pass(SECOND);
  assert.equal(source.fetches.length, 3);
});

test('many proxies with tokens of the same age do not refresh them at the same moment', async (t) => {
  for (const [random, minutes] of [
    [0, 27],
    [1, 33],
  ] as const) {
    const { source, clock, pass, token, warmUp } = setUp(t);
    clock.random = random;
    await warmUp(token('first', HOUR));
    await pass(minutes * MINUTE - SECOND);
    assert.equal(source.fetches.length, 1);
    await pass(SECOND);
    assert.equal(source.fetches.length, 2);
    t.mock.timers.reset();
  }
});

test("a source's wish to be asked earlier is heard, one to be asked later is not", async (t) => {
  const { source, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', HOUR, 10 * MINUTE));
  await pass(10 * MINUTE - SECOND);
  assert.equal(source.fetches.length, 1);
  await pass(SECOND);
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('second', HOUR, 2 * HOUR));
  await turn();
  await pass(30 * MINUTE - SECOND);
  assert.equal(source.fetches.length, 2);
  await pass(SECOND);
  assert.equal(source.fetches.length, 3);
});

test('a valid token is handed out at once while its refresh hangs', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t, 10 * HOUR);
  const first = token('first', HOUR);
  await warmUp(first);
  await pass(59 * MINUTE);
  assert.equal(source.fetches.length, 2);
  for (let session = 0; session < 50; session += 1) assert.equal(await cache.getToken(), first);
  assert.equal(source.fetches.length, 2);
});

test('when the token expires while its refresh hangs, sessions wait for the refresh', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t, 10 * HOUR);
  await warmUp(token('first', HOUR));
  await pass(HOUR);
  const waiting = cache.getToken();
  assert.equal(await isSettled(waiting), false);
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('second', HOUR));
  assert.equal((await waiting).value, 'second');
});

test('a token in its last second is not handed out', async (t) => {
  const { cache, source, clock, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  clock.now = first.expiresAt - SECOND - 1;
  assert.equal(await cache.getToken(), first);
  source.last.resolve(first);
  await turn();
  clock.now = first.expiresAt - SECOND;
  const waiting = cache.getToken();
  assert.equal(await isSettled(waiting), false);
  source.last.resolve(token('second', HOUR));
  assert.equal((await waiting).value, 'second');
});

test('while refreshing fails, the token in hand serves, tries become rarer, and success ends it', async (t) => {
  const { cache, source, events, pass, token, warmUp } = setUp(t);
  const first = token('first', 2 * HOUR);
  await warmUp(first);
  await pass(115 * MINUTE);
  const error = new Error('no network');
  const gaps: number[] = [];
  for (let tries = 0; tries < 8; tries += 1) {
    const known = source.fetches.length;
    source.last.reject(error);
    await turn();
    assert.equal(await cache.getToken(), first);
    for (gaps.push(0); source.fetches.length === known; gaps[tries] = (gaps[tries] ?? 0) + 1)
      await pass(SECOND);
  }
  assert.deepEqual(gaps, [1, 2, 4, 8, 16, 32, 60, 60]);
  assert.equal(events.length, 9);
  assert.deepEqual(events[1], { kind: 'failed', error, validUntil: first.expiresAt });
  const second = token('second', HOUR);
  source.last.resolve(second);
  await turn();
  assert.equal(await cache.getToken(), second);
  assert.deepEqual(events.at(-1), { kind: 'refreshed', token: second });
  // And the next failure starts again with a short wait.
  await pass(55 * MINUTE);
  const known = source.fetches.length;
  source.last.reject(error);
  await turn();
  await pass(SECOND);
  assert.equal(source.fetches.length, known + 1);
});

test('without any token, the cache goes on trying by itself', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  const first = cache.getToken();
  source.last.reject(new Error('no network'));
  await assert.rejects(first, /no network/);
  await pass(SECOND);
  assert.equal(source.fetches.length, 2);
  const got = token('back', HOUR);
  source.last.resolve(got);
  await turn();
  assert.equal(cache.current, got);
});

test('a failure when the token has expired says that there is none', async (t) => {
  const { cache, source, events, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', MINUTE));
  await pass(2 * MINUTE);
  const waiting = cache.getToken();
  source.last.reject(new Error('no network'));
  await assert.rejects(waiting, /no network/);
  assert.deepEqual(events.at(-1)?.kind === 'failed' && events.at(-1), {
    kind: 'failed',
    error: new Error('no network'),
    validUntil: undefined,
  });
});

test('a source that throws at once fails like any other', async (t) => {
  const { cache, source } = setUp(t);
  source.answer = () => {
    throw new Error('thrown at once');
  };
  await assert.rejects(cache.getToken(), /thrown at once/);
  await assert.rejects(cache.getToken(), /thrown at once/);
});

test('a source that ignores its signal is given up with 57P03, and its late answer with it', async (t) => {
  const { cache, source, pass, token } = setUp(t, 20);
  // The timeout alone does not keep a process running.
  const alive = setInterval(() => {}, MINUTE);
  t.after(() => clearInterval(alive));
  await assert.rejects(cache.getToken(), {
    name: 'ProxyError',
    sqlState: '57P03',
    message: 'the credential "test" gave no token within 0.02 s',
  });
  const [abandoned] = source.fetches;
  assert.equal(abandoned?.signal.aborted, true);
  abandoned?.resolve(token('late', HOUR));
  await turn();
  assert.equal(cache.current, undefined);
  await pass(SECOND);
  const again = cache.getToken();
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('in time', HOUR));
  assert.equal((await again).value, 'in time');
});

test('an abandoned fetch may fail later without harm', async (t) => {
  const { cache, source } = setUp(t, 20);
  const alive = setInterval(() => {}, MINUTE);
  t.after(() => clearInterval(alive));
  await assert.rejects(cache.getToken(), { sqlState: '57P03' });
  source.last.reject(new Error('late'));
  await turn();
});

test('after a sleep the clock is believed, not the timer: an expired token is replaced before it is used', async (t) => {
  const { cache, source, clock, token, warmUp } = setUp(t);
  await warmUp(token('first', HOUR));
  clock.now += 2 * HOUR;
  const waiting = cache.getToken();
  assert.equal(source.fetches.length, 2);
  assert.equal(await isSettled(waiting), false);
  source.last.resolve(token('second', HOUR));
  assert.equal((await waiting).value, 'second');
});

test('after a sleep a token is refreshed within seconds, though nobody asks', async (t) => {
  const { source, clock, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', 10 * HOUR));
  clock.now += 11 * HOUR;
  await pass(15 * SECOND);
  assert.equal(source.fetches.length, 2);
});

test('a clock set back causes one fetch and no more, and refusals by the server are still heard', async (t) => {
  const { cache, source, clock, pass, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  const stale = cache.replacementFor(first, { fetch: true });
  source.last.resolve(first);
  await stale;
  clock.now -= 24 * HOUR;
  assert.equal(await cache.getToken(), first);
  assert.equal(source.fetches.length, 3);
  source.last.resolve(token('by the new clock', 48 * HOUR));
  await turn();
  const before = source.fetches.length;
  await pass(10 * MINUTE);
  assert.equal(source.fetches.length, before);
  const replacement = cache.replacementFor(await cache.getToken(), { fetch: true });
  assert.equal(source.fetches.length, before + 1);
  const second = token('second', HOUR);
  source.last.resolve(second);
  assert.equal(await replacement, second);
});

test('a clock set back in an outage does not put off the next try until it has caught up', async (t) => {
  const { source, clock, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', 48 * HOUR));
  clock.now += 24 * HOUR;
  await pass(15 * SECOND);
  source.last.reject(new Error('no network'));
  await turn();
  clock.now -= 12 * HOUR;
  await pass(15 * SECOND);
  assert.equal(source.fetches.length, 3);
});

test('in an outage sessions wait for a retry a moment only, and are told what failed before', async (t) => {
  const { cache, source, pass } = setUp(t, 30 * SECOND);
  const cold = cache.getToken();
  await pass(20 * SECOND);
  assert.equal(await isSettled(cold), false);
  const error = new Error('no network');
  source.last.reject(error);
  await assert.rejects(cold, (reason) => reason === error);
  await pass(SECOND);
  assert.equal(source.fetches.length, 2);
  const early = cache.getToken();
  await pass(SECOND);
  assert.equal(await isSettled(early), false);
  const late = cache.getToken();
  const told = Promise.all([early, late].map((one) => assert.rejects(one, (reason) => reason === error)));
  await pass(SECOND);
  await told;
  assert.equal(await isSettled(cache.getToken()), true);
  assert.equal(source.fetches.length, 2);
});

test('in an outage a retry that succeeds in time serves those who wait, and later ones those who come', async (t) => {
  const { cache, source, pass, token } = setUp(t, 30 * SECOND);
  const cold = cache.getToken();
  source.last.reject(new Error('no network'));
  await assert.rejects(cold);
  await pass(SECOND);
  const waiting = cache.getToken();
  await pass(SECOND);
  const got = token('back', HOUR);
  source.last.resolve(got);
  assert.equal(await waiting, got);
  // And the next one without a token waits for the real result again.
  await pass(HOUR, MINUTE);
  const next = cache.getToken();
  await pass(20 * SECOND);
  assert.equal(await isSettled(next), false);
});

test('an answer that comes after the patience has run out is kept', async (t) => {
  const { cache, source, pass, token } = setUp(t, 30 * SECOND);
  const cold = cache.getToken();
  source.last.reject(new Error('no network'));
  await assert.rejects(cold);
  await pass(5 * SECOND);
  const got = token('slow', HOUR);
  source.last.resolve(got);
  await turn();
  assert.equal(await cache.getToken(), got);
});

test('a pause that the endpoint asks for is kept by all, and those who come are told at once', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  const cold = cache.getToken();
  const error = new ThrottledError('too many', 90 * SECOND, { hint: 'wait' });
  source.last.reject(error);
  await assert.rejects(cold, (reason) => reason === error);
  for (let second = 0; second < 89; second += 1) {
    await pass(SECOND);
    await assert.rejects(cache.getToken(), (reason) => reason === error);
  }
  assert.equal(source.fetches.length, 1);
  await pass(SECOND);
  assert.equal(source.fetches.length, 2);
  source.last.resolve(token('first', HOUR));
  await turn();
  assert.equal((await cache.getToken()).value, 'first');
});

test('a pause of more than an hour is not believed', async (t) => {
  const { cache, source, pass } = setUp(t);
  const cold = cache.getToken();
  source.last.reject(new ThrottledError('too many', 1_000 * HOUR, { hint: 'wait' }));
  await assert.rejects(cold);
  await pass(HOUR, MINUTE);
  assert.equal(source.fetches.length, 2);
});

test('a token that the server calls stale is asked for anew in a pause, too', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  const first = token('first', 2 * HOUR);
  await warmUp(first);
  await pass(HOUR);
  source.last.reject(new ThrottledError('too many', 600 * SECOND, { hint: 'wait' }));
  await turn();
  const replacement = cache.replacementFor(first, { fetch: true });
  assert.equal(source.fetches.length, 3);
  const second = token('second', HOUR);
  source.last.resolve(second);
  assert.equal(await replacement, second);
});

test('in a long outage the source is asked again well before the token in hand ends', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  const error = new Error('no network');
  await warmUp(token('first', 10 * MINUTE));
  source.answer = () => {
    throw error;
  };
  await pass(9 * MINUTE + 50 * SECOND);
  const before = source.fetches.length;
  await pass(8 * SECOND);
  assert.ok(source.fetches.length > before, 'nothing was asked in the last ten seconds');
  assert.equal(cache.current?.value, 'first');
});

test('a refused token is replaced by the one that has come meanwhile', async (t) => {
  const { cache, source, token, warmUp } = setUp(t);
  const second = token('second', HOUR);
  await warmUp(second);
  const refused = token('first', HOUR);
  assert.equal(await cache.replacementFor(refused, { fetch: true }), second);
  assert.equal(await cache.replacementFor(refused, { fetch: false }), second);
  assert.equal(source.fetches.length, 1);
});

test('a refused token is replaced by the one that is coming', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  await pass(56 * MINUTE);
  const replacement = cache.replacementFor(first, { fetch: false });
  assert.equal(await isSettled(replacement), false);
  const second = token('second', HOUR);
  source.last.resolve(second);
  assert.equal(await replacement, second);
  assert.equal(source.fetches.length, 2);
});

test('without leave to fetch there is no replacement', async (t) => {
  const { cache, source, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  assert.equal(await cache.replacementFor(first, { fetch: false }), undefined);
  assert.equal(source.fetches.length, 1);
});

test('many sessions whose token was refused cause one fetch, and not another for ten seconds', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  const waiting = Array.from({ length: 100 }, () => cache.replacementFor(first, { fetch: true }));
  assert.equal(source.fetches.length, 2);
  const second = token('second', HOUR);
  source.last.resolve(second);
  for (const replacement of await Promise.all(waiting)) assert.equal(replacement, second);
  assert.equal(await cache.replacementFor(second, { fetch: true }), undefined);
  await pass(9 * SECOND);
  assert.equal(await cache.replacementFor(second, { fetch: true }), undefined);
  assert.equal(source.fetches.length, 2);
  await pass(SECOND);
  const replacement = cache.replacementFor(second, { fetch: true });
  assert.equal(source.fetches.length, 3);
  source.last.resolve(second);
  // The same again is no replacement.
  assert.equal(await replacement, undefined);
});

test('a replacement that cannot be had fails as the source does, and the token in hand stays', async (t) => {
  const { cache, source, token, warmUp } = setUp(t);
  const first = token('first', HOUR);
  await warmUp(first);
  const replacement = cache.replacementFor(first, { fetch: true });
  source.last.reject(new Error('no network'));
  await assert.rejects(replacement, /no network/);
  assert.equal(await cache.getToken(), first);
});

test('a token that has expired on arrival is refused with 57P03, and does not displace a valid one', async (t) => {
  const { cache, source, events, pass, token, warmUp } = setUp(t);
  const cold = cache.getToken();
  source.last.resolve(token('stale', 0));
  await assert.rejects(cold, (error) => {
    assert.ok(error instanceof ProxyError);
    assert.equal(error.sqlState, '57P03');
    assert.match(error.message, /has already expired/);
    assert.doesNotMatch(error.message, /stale/);
    return true;
  });
  assert.equal(cache.current, undefined);
  await pass(SECOND);
  const first = token('first', HOUR);
  await warmUp(first);
  await pass(55 * MINUTE);
  source.last.resolve(token('stale', -MINUTE));
  await turn();
  assert.equal(await cache.getToken(), first);
  assert.equal(events.at(-1)?.kind, 'failed');
});

test('a source that gives the same token again is not asked in a loop', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  const first = token('first', HOUR);
  source.answer = () => first;
  await cache.getToken();
  await pass(55 * MINUTE);
  const rarely = source.fetches.length;
  assert.ok(rarely > 2 && rarely <= 10, `${rarely} fetches in 55 minutes`);
  for (let second = 0; second < 290; second += 1) {
    assert.equal(await cache.getToken(), first);
    await pass(SECOND);
  }
  assert.ok(source.fetches.length - rarely < 15, `${source.fetches.length - rarely} fetches at the end`);
});

test('a source that gives the same token again when it is to be refreshed is asked again soon', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  const first = token('first', HOUR);
  source.answer = () => first;
  await cache.getToken();
  await pass(56 * MINUTE);
  assert.ok(source.fetches.length > 2, 'one of the five minutes that the margin has went by unused');
});

test('a source that wants to be asked every few seconds is, also while nothing changes', async (t) => {
  const { cache, source, clock, pass } = setUp(t);
  const expiresAt = clock.now + HOUR;
  source.answer = () => ({ value: 'same', expiresAt, refreshAt: clock.now + 5 * SECOND, claims: undefined });
  await cache.getToken();
  await pass(10 * MINUTE);
  const known = source.fetches.length;
  await pass(10 * SECOND);
  assert.ok(source.fetches.length >= known + 1, `${known} fetches in ten minutes, then none in ten seconds`);
});

test('a source whose new tokens want to be refreshed at once is not asked in a loop', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  source.answer = () => token(`number ${source.fetches.length}`, HOUR, -1);
  await cache.getToken();
  await pass(200, 1);
  assert.ok(source.fetches.length <= 3, `${source.fetches.length} fetches in 0.2 s`);
});

test('a closed cache fetches no more by itself', async (t) => {
  const { cache, source, pass, token, warmUp } = setUp(t);
  await warmUp(token('first', HOUR));
  cache.close();
  await pass(2 * HOUR, MINUTE);
  assert.equal(source.fetches.length, 1);
});

test('a cache that is closed during a fetch fetches no more behind it', async (t) => {
  const { cache, source, pass, token } = setUp(t);
  const waiting = cache.getToken();
  cache.close();
  source.last.resolve(token('first', MINUTE));
  assert.equal((await waiting).value, 'first');
  await pass(HOUR, MINUTE);
  assert.equal(source.fetches.length, 1);
});

test('the timer of a cache does not keep the process running', async () => {
  const source = new TestSource();
  const cache = new TokenCache(source, { fetchTimeoutMs: MINUTE });
  const before = process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
  const got = cache.getToken();
  source.last.resolve({ value: 'x', expiresAt: Date.now() + HOUR, claims: undefined });
  await got;
  const after = process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
  assert.equal(after, before);
  cache.close();
});
