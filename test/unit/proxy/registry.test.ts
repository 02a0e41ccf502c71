import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type LiveSession, SessionRegistry } from '../../../src/proxy/registry.ts';

const TOO_MANY = { name: 'ProxyError', sqlState: '53300', hint: /--max-sessions/ };
const SHUTTING_DOWN = { name: 'ProxyError', sqlState: '57P03' };

/** A connection that keeps what it was told. */
class Connection implements LiveSession {
  readonly told: string[] = [];

  drain(): void {
    this.told.push('drain');
  }

  stop(): void {
    this.told.push('stop');
  }

  view(): never {
    throw new Error('nobody looks at it here');
  }
}

function connect(registry: SessionRegistry): Connection {
  const connection = new Connection();
  registry.addConnection(connection);
  return connection;
}

function logIn(registry: SessionRegistry): Connection {
  const connection = connect(registry);
  registry.addSession(connection);
  return connection;
}

/** Whether a promise has been fulfilled by now. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await turn();
  return settled;
}

test('the session over the cap is refused with 53300, and gets in once another has left', () => {
  const registry = new SessionRegistry(2);
  const first = logIn(registry);
  logIn(registry);
  const third = connect(registry);
  assert.throws(() => registry.addSession(third), TOO_MANY);
  assert.equal(registry.sessionCount, 2);
  registry.remove(first);
  registry.addSession(third);
  assert.equal(registry.sessionCount, 2);
});

test('at the cap, twice as many connections get as far as saying what they want', () => {
  const registry = new SessionRegistry(2);
  const connections = [logIn(registry), logIn(registry), connect(registry), connect(registry)];
  assert.equal(registry.connectionCount, 4);
  const fifth = new Connection();
  assert.throws(() => registry.addConnection(fifth), TOO_MANY);
  // It is still there, until its refusal has been sent.
  assert.equal(registry.connectionCount, 5);
  registry.remove(fifth);
  registry.remove(connections[3] as Connection);
  connect(registry);
  assert.equal(registry.connectionCount, 4);
});

test('removing a connection twice, or one that never became a session, does no harm', () => {
  const registry = new SessionRegistry(1);
  const connection = connect(registry);
  registry.remove(connection);
  registry.remove(connection);
  assert.deepEqual([registry.connectionCount, registry.sessionCount], [0, 0]);
});

test('a drain tells every connection, and is done when the last has left', async () => {
  const registry = new SessionRegistry(5);
  const session = logIn(registry);
  const early = connect(registry);
  assert.equal(registry.draining, false);
  const drained = registry.drain();
  assert.equal(registry.draining, true);
  assert.deepEqual([session.told, early.told], [['drain'], ['drain']]);
  registry.remove(early);
  assert.equal(await isSettled(drained), false);
  registry.remove(session);
  await drained;
});

test('a drain of nothing is done at once', async () => {
  await new SessionRegistry(5).drain();
});

test('while draining, new sessions are refused with 57P03, also at the cap', () => {
  const registry = new SessionRegistry(1);
  logIn(registry);
  const late = connect(registry);
  void registry.drain();
  assert.throws(() => registry.addSession(late), SHUTTING_DOWN);
});

test('a drain waits for a connection that came while it was under way', async () => {
  const registry = new SessionRegistry(5);
  const first = logIn(registry);
  const drained = registry.drain();
  const late = connect(registry);
  registry.remove(first);
  assert.equal(await isSettled(drained), false);
  registry.remove(late);
  await drained;
});

test('a stop tells every connection, cuts a drain short, and lets nobody in', async () => {
  const registry = new SessionRegistry(5);
  const session = logIn(registry);
  const drained = registry.drain();
  registry.stop();
  assert.deepEqual(session.told, ['drain', 'stop']);
  const late = connect(registry);
  assert.throws(() => registry.addSession(late), SHUTTING_DOWN);
  registry.remove(late);
  registry.remove(session);
  await drained;
});
