import { ProxyError, SqlState } from '../errors.ts';
import type { Relay } from './relay.ts';

/** How often sessions are looked at, in milliseconds: they are closed that much late, and twice that at most. */
const SWEEP_MS = 1_000;

/** Up to this part of the maximum age is taken off at random, so that a pool does not lose all at once. */
const AGE_JITTER = 0.1;

export interface SessionLimitOptions {
  /** How long a session may be idle, in milliseconds; 0 or absent: for ever. */
  readonly idleTimeoutMs?: number | undefined;
  /** How old a session may become, in milliseconds; 0 or absent: as old as it likes. */
  readonly maxAgeMs?: number | undefined;
  readonly sweepMs?: number;
}

/** What of a session it takes to limit it. */
export type LimitedSession = Pick<Relay, 'retire' | 'awaitsClient' | 'bytesFromClient'>;

/** What is known of one session. */
interface Watched {
  readonly expiresAt: number;
  /** When it was first seen idle since its client last said something. */
  idleSince: number | undefined;
  bytesFromClient: number;
}

/**
 * Closes sessions that are idle for too long or too old, but never in the middle of anything.
 *
 * Idle is what PostgreSQL's own idle_session_timeout takes for it: outside of transactions, waiting for the
 * client's next message. What the server says unasked is no activity, so a session that only listens for
 * notifications is idle; a replication stream is not. A session that is too old is closed as soon as it is
 * between transactions, as by a drain; one that never is, is never closed.
 *
 * One timer looks at all sessions, and only at counters that the relay keeps anyway: traffic costs nothing
 * more for being watched.
 */
export class SessionLimits {
  readonly #idleTimeoutMs: number;
  readonly #maxAgeMs: number;
  readonly #sweepMs: number;
  readonly #watched = new Map<LimitedSession, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ idleTimeoutMs, maxAgeMs, sweepMs = SWEEP_MS }: SessionLimitOptions) {
    this.#idleTimeoutMs = idleTimeoutMs || Number.POSITIVE_INFINITY;
    this.#maxAgeMs = maxAgeMs || Number.POSITIVE_INFINITY;
    this.#sweepMs = sweepMs;
  }

  /** Counts a session's age from now on. */
  watch(session: LimitedSession): void {
    if (this.#idleTimeoutMs === Number.POSITIVE_INFINITY && this.#maxAgeMs === Number.POSITIVE_INFINITY)
      return;
    const expiresAt = performance.now() + this.#maxAgeMs * (1 - AGE_JITTER * Math.random());
    this.#watched.set(session, { expiresAt, idleSince: undefined, bytesFromClient: 0 });
    this.#timer ??= setInterval(() => this.#sweep(), this.#sweepMs).unref();
  }

  forget(session: LimitedSession): void {
    this.#watched.delete(session);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [session, watched] of this.#watched) {
      if (now >= watched.expiresAt) session.retire('max age', tooOld(this.#maxAgeMs));
      else if (this.#isIdleTooLong(session, watched, now)) session.retire('idle', idle(this.#idleTimeoutMs));
    }
  }

  #isIdleTooLong(session: LimitedSession, watched: Watched, now: number): boolean {
    const { bytesFromClient } = session;
    if (!session.awaitsClient) {
      watched.idleSince = undefined;
    } else if (watched.idleSince === undefined || watched.bytesFromClient !== bytesFromClient) {
      watched.idleSince = now;
    }
    watched.bytesFromClient = bytesFromClient;
    return watched.idleSince !== undefined && now - watched.idleSince >= this.#idleTimeoutMs;
  }
}

/** In PostgreSQL's own words. */
function idle(timeoutMs: number): ProxyError {
  return new ProxyError(SqlState.sessionTimeout, 'terminating connection due to idle-session timeout', {
    hint: `pg-entra-proxy closes sessions that are idle for ${timeoutMs / 1000} s (--idle-session-timeout): connect again.`,
  });
}

function tooOld(maxAgeMs: number): ProxyError {
  return new ProxyError(
    SqlState.adminShutdown,
    `the session has reached its maximum age (--max-session-age is ${maxAgeMs / 1000} s)`,
    { hint: 'Connect again.' },
  );
}
