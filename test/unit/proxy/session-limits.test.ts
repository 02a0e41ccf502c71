import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyError } from '../../../src/errors.ts';
import { type LimitedSession, SessionLimits } from '../../../src/proxy/session-limits.ts';
import { until } from '../../support/wait.ts';

/** A session that keeps when it was told to end. */
class Session implements LimitedSession {
  awaitsClient = true;
  bytesFromClient = 0;
  readonly start = performance.now();
  retiredMs: number | undefined;
  reason = '';
  error: ProxyError | undefined;

  retire(reason: string, error: ProxyError): void {
    this.retiredMs ??= performance.now() - this.start;
    this.reason = reason;
    this.error = error;
  }
}

function watchSessions(limits: SessionLimits, count: number): Session[] {
  return Array.from({ length: count }, () => {
    const session = new Session();
    limits.watch(session);
    return session;
  });
}

test('sessions that came together reach their maximum age a little apart, and none over 10 % early', async () => {
  const limits = new SessionLimits({ maxAgeMs: 300, sweepMs: 2 });
  const sessions = watchSessions(limits, 200);
  await until('the last to go', () => sessions.every(({ retiredMs }) => retiredMs !== undefined));
  const times = sessions.map(({ retiredMs = 0 }) => retiredMs);
  assert.ok(Math.min(...times) >= 270, String(Math.min(...times)));
  assert.ok(Math.max(...times) - Math.min(...times) > 15, 'all at once');
  for (const session of sessions) limits.forget(session);
});

test('no session is idle for too long before its time, counted from when it became idle', async () => {
  const limits = new SessionLimits({ idleTimeoutMs: 100, sweepMs: 5 });
  const [idle, busy] = watchSessions(limits, 2) as [Session, Session];
  busy.awaitsClient = false;
  await until('the idle one to go', () => idle.retiredMs !== undefined);
  assert.ok((idle.retiredMs ?? 0) >= 100);
  assert.equal(busy.retiredMs, undefined);
  busy.awaitsClient = true;
  const since = performance.now() - busy.start;
  await until('the other to go', () => busy.retiredMs !== undefined);
  assert.ok((busy.retiredMs ?? 0) - since >= 100);
  assert.deepEqual([idle.reason, idle.error?.sqlState], ['idle', '57P05']);
  for (const session of [idle, busy]) limits.forget(session);
});

test('what a client says starts its time anew', async () => {
  const limits = new SessionLimits({ idleTimeoutMs: 100, sweepMs: 5 });
  const [idle, talking] = watchSessions(limits, 2) as [Session, Session];
  await until('the idle one to go', () => {
    talking.bytesFromClient += 1;
    return idle.retiredMs !== undefined;
  });
  assert.equal(talking.retiredMs, undefined);
  for (const session of [idle, talking]) limits.forget(session);
});

test('a session that has ended is looked at no more, and without a limit none is', async () => {
  const limits = new SessionLimits({ maxAgeMs: 20, sweepMs: 2 });
  const [ended, open] = watchSessions(limits, 2) as [Session, Session];
  const unlimited = new SessionLimits({ idleTimeoutMs: 0, maxAgeMs: undefined, sweepMs: 2 });
  const [free] = watchSessions(unlimited, 1) as [Session];
  limits.forget(ended);
  await until('the other to go', () => open.retiredMs !== undefined);
  assert.deepEqual([ended.retiredMs, free.retiredMs], [undefined, undefined]);
  limits.forget(open);
  // Its timer has stopped, and starts again with the next session.
  const [next] = watchSessions(limits, 1) as [Session];
  await until('the next to go', () => next.retiredMs !== undefined);
  limits.forget(next);
});
