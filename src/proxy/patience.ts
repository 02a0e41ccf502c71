import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError, SqlState } from '../errors.ts';
import { describeError } from '../log.ts';
import type { Availability } from '../upstream/availability.ts';
import type { DialLimits, Upstream } from '../upstream/dial.ts';
import type { Login } from './identity-login.ts';
import { inSeconds, prospectOf, triedFor } from './login-failures.ts';
import type { Place } from './login-gate.ts';
import { watchPresence } from './login-queue.ts';
import { ServerRejection } from './server-login.ts';

/** Between two attempts, before it is varied: the first pause, and what it doubles to. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 1_000;

/** What an attempt gets of the time, however little is left. */
const LEAST_ATTEMPT_MS = 1_000;

/** What TCP gets of it at least, before another address is looked for. */
const LEAST_TCP_MS = 2_000;

/** One attempt to log in, from the dial on. */
export interface Attempt {
  readonly limits: DialLimits;
  /** Set once the client has been told something of this attempt: then there cannot be another one. */
  isTold: boolean;
}

/**
 * Logs in, and does so again while the server is away as it is during a failover: it refuses, resets, falls
 * silent, or says that it is starting or stopping. Each attempt resolves the name anew. All of them together
 * may take as long as `--connect-timeout` says, or less ({@link Availability}). Whatever else goes wrong,
 * above all with trust, is final.
 *
 * The place behind the gate is held in the pauses too: so a server that comes back, or has a hard time doing
 * so, hears from no more logins at a time than `--max-logins`, each once a second. Those that waited for
 * their turn meanwhile have used up their patience with it.
 *
 * @throws what the last attempt threw, with how long has been tried; PeerClosedError if the client closes its
 *   side in a pause; the signal's reason.
 */
export async function logInWithPatience<T>(
  login: Login,
  place: Place,
  logIn: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const { upstream } = login.deps;
  const { availability, connectTimeoutMs } = upstream;
  if (availability === undefined)
    return await logIn({ limits: { totalMs: connectTimeoutMs, tcpMs: connectTimeoutMs }, isTold: false });
  const patience = new Patience(login, upstream, availability, place.waitedMs);
  for (;;) {
    const attempt = patience.nextAttempt();
    try {
      const result = await logIn(attempt);
      patience.serverServes();
      return result;
    } catch (error) {
      await patience.pause(error, attempt);
    }
  }
}

/** How long one login goes on trying. */
class Patience {
  readonly #login: Login;
  readonly #upstream: Upstream;
  readonly #availability: Availability;
  readonly #start = performance.now();
  readonly #arrivedAt: number;
  #attempts = 0;
  /** Since when this login has been waiting for the server. */
  #since: number | undefined;
  #endsAt: number | undefined;
  #failure: unknown;
  #wasLost = false;

  constructor(login: Login, upstream: Upstream, availability: Availability, waitedMs: number) {
    this.#login = login;
    this.#upstream = upstream;
    this.#availability = availability;
    this.#arrivedAt = this.#start - waitedMs;
  }

  /** A server that failed over may have left a silent address behind: a part of the time must do for TCP. */
  nextAttempt(): Attempt {
    this.#attempts += 1;
    if (this.#attempts > 1) this.#login.story.redialled(this.#attempts);
    const { connectTimeoutMs } = this.#upstream;
    const leftMs = this.#endsAt === undefined ? connectTimeoutMs : this.#endsAt - performance.now();
    const totalMs = Math.max(leftMs, Math.min(LEAST_ATTEMPT_MS, connectTimeoutMs));
    const isPatient = this.#availability.patienceMs('outage', connectTimeoutMs) === connectTimeoutMs;
    const tcpMs = isPatient ? Math.max(connectTimeoutMs / 3, LEAST_TCP_MS) : totalMs;
    return { limits: { totalMs, tcpMs }, isTold: false };
  }

  /** Waits before the next attempt; throws if there is to be none. */
  async pause(error: unknown, attempt: Attempt): Promise<void> {
    const { client, signal } = this.#login;
    if (signal.aborted) throw this.#aborted(error);
    const prospect = attempt.isTold ? 'final' : prospectOf(error);
    // Lost in a login may be the login's own fault: it has one more try.
    if (prospect === 'final' || (prospect === 'lost' && this.#wasLost)) {
      if (error instanceof ServerRejection && prospectOf(error) === 'final') this.serverServes();
      throw error;
    }
    this.#failure = error;
    this.#note(prospect, error);
    const pauseMs = nextPauseMs(this.#attempts);
    if (performance.now() + pauseMs >= (this.#endsAt ?? 0)) throw this.#told(error);
    const wait = watchPresence(client, signal);
    try {
      await delay(pauseMs, undefined, { signal: wait.signal });
    } catch {
      throw this.#aborted(wait.signal.reason);
    } finally {
      wait.end();
    }
  }

  /** The server has let the login in, or has given it an answer of its own. */
  serverServes(): void {
    const awayMs = this.#availability.serves();
    if (awayMs === undefined) return;
    const { log } = this.#login.deps;
    log.info({ event: 'server-back', awayMs }, `the server takes logins again, after ${inSeconds(awayMs)}`);
  }

  #note(prospect: 'outage' | 'name' | 'lost', error: unknown): void {
    const { log } = this.#login.deps;
    // That says nothing of the server's being there.
    if (prospect === 'lost') this.#wasLost = true;
    else if (this.#availability.fails()) {
      const reason = describeError(error, 0);
      log.warn({ event: 'server-away', error: reason }, `the server does not take logins: ${reason}`);
    }
    this.#since ??= Math.max(this.#arrivedAt, this.#availability.awaySince ?? performance.now());
    const kind = prospect === 'lost' ? 'outage' : prospect;
    this.#endsAt = this.#since + this.#availability.patienceMs(kind, this.#upstream.connectTimeoutMs);
  }

  /** When the login deadline comes, what the server did says more than the deadline. */
  #aborted(reason: unknown): unknown {
    const isDeadline = reason instanceof ProxyError && reason.sqlState === SqlState.sessionTimeout;
    return isDeadline && this.#failure !== undefined ? this.#told(this.#failure) : reason;
  }

  #told(error: unknown): unknown {
    return this.#attempts === 1 ? error : triedFor(performance.now() - this.#start, error);
  }
}

/** Doubled each time, and varied by half, so that those that were refused together do not come back together. */
function nextPauseMs(attempts: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LAST_PAUSE_MS) * (0.5 + Math.random() / 2);
}
