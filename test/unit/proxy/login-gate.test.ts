import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PeerClosedError, ProxyError, SqlState } from '../../../src/errors.ts';
import { decodeErrorFields } from '../../../src/protocol/error-response.ts';
import { LoginGate, type Place } from '../../../src/proxy/login-gate.ts';

/** Longer than any test. */
const NEVER_MS = 1_000_000;

/** A login that is under way from when it is let in until the test ends it. */
class Login {
  readonly client = new AbortController();
  readonly result: Promise<string>;
  place: Place | undefined;
  readonly #end = Promise.withResolvers<string>();

  constructor(gate: LoginGate) {
    this.result = gate.admit((place) => {
      this.place = place;
      return this.#end.promise;
    }, this.client.signal);
    this.result.catch(() => {});
  }

  get isIn(): boolean {
    return this.place !== undefined;
  }

  async succeed(): Promise<void> {
    this.#end.resolve('in');
    await turn();
  }

  async fail(): Promise<void> {
    this.#end.reject(new Error('refused'));
    await turn();
  }

  async abort(reason: unknown): Promise<void> {
    this.client.abort(reason);
    await turn();
  }
}

function logIns(gate: LoginGate, count: number): Login[] {
  return Array.from({ length: count }, () => new Login(gate));
}

function whoIsIn(logins: readonly Login[]): number[] {
  return logins.flatMap((login, index) => (login.isIn ? [index] : []));
}

function counts(gate: LoginGate): [underWay: number, waiting: number] {
  return [gate.underWayCount, gate.waitingCount];
}

test('so many logins are under way, the others wait, and each end lets in who came first', async () => {
  const gate = new LoginGate(2);
  const logins = logIns(gate, 5);
  const [first, second, third] = logins as [Login, Login, Login];
  await turn();
  assert.deepEqual(whoIsIn(logins), [0, 1]);
  assert.deepEqual(counts(gate), [2, 3]);
  await second.succeed();
  assert.deepEqual(whoIsIn(logins), [0, 1, 2]);
  assert.equal(await second.result, 'in');
  await first.fail();
  assert.deepEqual(whoIsIn(logins), [0, 1, 2, 3]);
  await assert.rejects(first.result, /refused/);
  await third.succeed();
  assert.deepEqual(whoIsIn(logins), [0, 1, 2, 3, 4]);
  for (const login of logins) login.place?.leave();
  assert.deepEqual(counts(gate), [0, 0]);
});

test('who comes later does not overtake who waits, even as a place is handed on', async () => {
  const gate = new LoginGate(1);
  const [first, second] = logIns(gate, 2) as [Login, Login];
  await turn();
  first.place?.leave();
  const late = new Login(gate);
  await turn();
  assert.deepEqual([second.isIn, late.isIn], [true, false]);
});

test('a place that is given up before the login ends counts once', async () => {
  const gate = new LoginGate(1);
  const logins = logIns(gate, 3);
  const [first] = logins as [Login];
  await turn();
  first.place?.leave();
  first.place?.leave();
  await turn();
  assert.deepEqual(whoIsIn(logins), [0, 1]);
  await first.succeed();
  assert.deepEqual(whoIsIn(logins), [0, 1]);
  assert.deepEqual(counts(gate), [1, 1]);
});

test('a client that leaves while it waits is out of the queue at once, and the order is kept', async () => {
  const gate = new LoginGate(1);
  const logins = logIns(gate, 5);
  const [first, second, third, fourth] = logins as [Login, Login, Login, Login];
  await turn();
  const left = new PeerClosedError('client');
  await second.abort(left);
  await fourth.abort(left);
  await assert.rejects(second.result, left);
  assert.deepEqual(counts(gate), [1, 2]);
  await first.succeed();
  assert.deepEqual(whoIsIn(logins), [0, 2]);
  await third.succeed();
  assert.deepEqual(whoIsIn(logins), [0, 2, 4]);
});

test('a client that leaves as it is let in hands its place on', async () => {
  const gate = new LoginGate(1);
  const [first, second, third] = logIns(gate, 3) as [Login, Login, Login];
  await turn();
  first.place?.leave();
  second.client.abort(new PeerClosedError('client'));
  await turn();
  assert.deepEqual([second.isIn, third.isIn], [true, false]);
  await second.fail();
  assert.equal(third.isIn, true);
});

test('a client that has left already takes no place', async () => {
  const gate = new LoginGate(1);
  const left = new PeerClosedError('client');
  await assert.rejects(
    gate.admit(() => Promise.reject(new Error('in')), AbortSignal.abort(left)),
    left,
  );
  assert.deepEqual(counts(gate), [0, 0]);
});

test('the login deadline is 53300 for who waits, and their own matter for those under way', async () => {
  const gate = new LoginGate(1);
  const [first, second] = logIns(gate, 2) as [Login, Login];
  const deadline = new ProxyError(SqlState.sessionTimeout, 'too late');
  await turn();
  await second.abort(deadline);
  await assert.rejects(second.result, { name: 'ProxyError', sqlState: '53300', hint: /--max-logins/ });
  await first.abort(deadline);
  assert.deepEqual(counts(gate), [1, 0]);
});

test('who waited long has a NOTICE that says so, and nobody else has', async () => {
  const patient = new LoginGate(1, NEVER_MS);
  const [first, second] = logIns(patient, 2) as [Login, Login];
  await first.succeed();
  assert.equal(second.place?.notice.length, 0);
  const impatient = new LoginGate(7, 0);
  const logins = logIns(impatient, 8);
  await logins[0]?.succeed();
  assert.equal(logins[0]?.place?.notice.length, 0);
  const notice = logins[7]?.place?.notice ?? Buffer.alloc(0);
  assert.equal(notice.toString('latin1', 0, 1), 'N');
  const { severity, sqlState, message, hint } = decodeErrorFields(notice.subarray(5));
  assert.deepEqual([severity, sqlState], ['NOTICE', '00000']);
  assert.match(message, /waited 0 s for one of 7 concurrent logins/);
  assert.match(hint ?? '', /--max-logins/);
});

test('without a limit nobody waits', async () => {
  const gate = new LoginGate(Number.POSITIVE_INFINITY);
  const logins = logIns(gate, 1_000);
  await turn();
  assert.equal(whoIsIn(logins).length, 1_000);
});

test('a crowd of 10,000 of which every other leaves is served in order', async () => {
  const gate = new LoginGate(10);
  const served: number[] = [];
  const crowd = Array.from({ length: 10_000 }, (_, index) => {
    const client = new AbortController();
    const login = async (): Promise<void> => {
      await turn();
      served.push(index);
    };
    return { client, done: gate.admit(login, client.signal).catch(() => {}) };
  });
  for (const [index, { client }] of crowd.entries()) if (index % 2 === 1) client.abort(new Error('gone'));
  await Promise.all(crowd.map(({ done }) => done));
  // Those ten that were let in at once do not look at their signal.
  assert.equal(served.length, 5_005);
  assert.deepEqual(
    served,
    served.toSorted((a, b) => a - b),
  );
  assert.deepEqual(counts(gate), [0, 0]);
});
