import type { Prospect } from './failures.ts';

/** How long a login waits for a server that nobody has reached yet, or that has been away for long. */
const SHORT_PATIENCE_MS = 2_000;

/** An outage that lasts longer is no failover any more: Azure's take one or two minutes. */
const LONG_OUTAGE_MS = 300_000;

/**
 * What a proxy knows of its server's being there, from the logins that it makes; and so, how long a login
 * waits for a server that does not take it.
 *
 * Whoever waits wants the server to come back. So the whole connect timeout is only for a server that has
 * been there, and not for ever: of a wrong port, or a server that has been off for long, clients hear soon;
 * the moment that they wait is for a server that starts together with the proxy. A name that has never
 * resolved is taken for a mistake, and told at once.
 */
export class Availability {
  readonly #now: () => number;
  #wasReached = false;
  #awaySince: number | undefined;

  /** @param now - milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Since when logins have failed; undefined if the last one that tells did not. */
  get awaySince(): number | undefined {
    return this.#awaySince;
  }

  /** A connection was verified to be to the server, whatever the server makes of it. */
  reached(): void {
    this.#wasReached = true;
  }

  /**
   * The server deals with logins.
   *
   * @returns how long it has not, if that is news.
   */
  serves(): number | undefined {
    const since = this.#awaySince;
    this.#awaySince = undefined;
    return since === undefined ? undefined : this.#now() - since;
  }

  /**
   * The server cannot be reached, or says that it is starting or stopping.
   *
   * @returns whether that is news.
   */
  fails(): boolean {
    const isNews = this.#awaySince === undefined;
    this.#awaySince ??= this.#now();
    return isNews;
  }

  /** How long logins try again after such a failure, of `connectTimeoutMs` at most. */
  patienceMs(prospect: Exclude<Prospect, 'final'>, connectTimeoutMs: number): number {
    if (!this.#wasReached) return prospect === 'name' ? 0 : Math.min(SHORT_PATIENCE_MS, connectTimeoutMs);
    const awayMs = this.#awaySince === undefined ? 0 : this.#now() - this.#awaySince;
    return awayMs <= LONG_OUTAGE_MS ? connectTimeoutMs : Math.min(SHORT_PATIENCE_MS, connectTimeoutMs);
  }
}
