import { expiredOnArrival, fetchTimedOut, ThrottledError } from './credential-failures.ts';
import type { AccessToken, TokenSource } from './token-source.ts';

/**
 * A token is asked for anew after half of its life, more or less a tenth of that, so that many proxies
 * do not come at once: the other half is how long an outage of Entra may last without anybody noticing.
 */
const REFRESH_AFTER = 0.5;
const REFRESH_JITTER = 0.1;

/** A source with a cache of its own gives a new token only this long before the end of the old one. */
const LAST_MARGIN_MS = 300_000;

/** A token that ends sooner than this is not handed out: the server would see it expired. */
export const EXPIRY_SLACK_MS = 1_000;

/** How often the wall clock is looked at. A timer alone stands still while a laptop sleeps. */
const TICK_MS = 15_000;

/** How often a server's word that a token is stale may cause a fetch. */
const MIN_FORCED_INTERVAL_MS = 10_000;

/** How long a failure is the answer for all who come: a pool that reconnects must not become a flood. */
const FAILURE_MEMORY_MS = 1_000;

/**
 * How long those without a token wait for a retry, as a part of the fetch timeout: 2 s of 30 s. An
 * outage is known by then, so that what failed last is the likely answer again.
 */
const PATIENCE = 1 / 15;

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/** The longest wait that an endpoint may ask for with Retry-After; MSAL's limit as well. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** A wall clock that goes back by more than this was set; by less, it was slewed or read in the wrong order. */
const CLOCK_STEP_MS = 1_000;

/** What became of a fetch, for the log. */
export type TokenEvent =
  | { readonly kind: 'refreshed'; readonly token: AccessToken }
  | { readonly kind: 'failed'; readonly error: unknown; readonly validUntil: number | undefined };

export interface TokenCacheOptions {
  readonly fetchTimeoutMs: number;
  readonly onEvent?: (event: TokenEvent) => void;
  /** Wall-clock milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** The failure of the last fetch: until one succeeds, it is the answer to whoever needs a token. */
interface Outage {
  readonly error: unknown;
  /** From when on a session without a token may cause a fetch. */
  readonly knockAt: number;
}

/** One identity's token, wherever it is kept. */
export type Tokens = Pick<TokenCache, 'credential' | 'current' | 'getToken' | 'replacementFor'>;

/**
 * One identity's token. A valid one is handed out at once and refreshed behind the scenes; only when
 * there is none does anybody wait, and all who do share one fetch.
 *
 * They wait for its real result as long as nothing speaks against one. Once a fetch has failed, an
 * outage is known: retries go on behind the scenes, at longer and longer intervals, and a session that
 * needs a token causes one at once, unless the last was a second ago or the endpoint asked for a pause
 * (Retry-After). It waits for that retry a moment, see {@link PATIENCE}, and is then told what failed.
 */
export class TokenCache {
  readonly #source: TokenSource;
  readonly #options: Required<TokenCacheOptions>;
  #token: AccessToken | undefined;
  #refreshAt = 0;
  #retryMs = FIRST_RETRY_MS;
  #inFlight: Promise<AccessToken> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #outage: Outage | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #forcedAt = Number.NEGATIVE_INFINITY;

  constructor(source: TokenSource, options: TokenCacheOptions) {
    this.#source = source;
    this.#options = { onEvent: () => {}, now: Date.now, random: Math.random, ...options };
  }

  get credential(): string {
    return this.#source.name;
  }

  /** The token in hand, valid or not, without asking anybody. */
  get current(): AccessToken | undefined {
    return this.#token;
  }

  /** When the next token is to be asked for; undefined while the first one is. */
  get refreshAt(): number | undefined {
    return this.#refreshAt || undefined;
  }

  /** Why the last fetch failed; undefined if it did not. */
  get failure(): unknown {
    return this.#outage?.error;
  }

  /**
   * A token that is valid now.
   *
   * @throws {@link ProxyError} if there is none and none can be had.
   */
  async getToken(): Promise<AccessToken> {
    const token = this.#token;
    const now = this.#look();
    if (token !== undefined && now < token.expiresAt - EXPIRY_SLACK_MS) {
      if (now >= this.#refreshAt) this.#refreshBehind();
      return token;
    }
    const isTooSoon = this.#outage !== undefined && now < this.#outage.knockAt;
    if (isTooSoon && this.#inFlight === undefined) throw this.#outage?.error;
    return this.#fetch();
  }

  /**
   * A token other than the one that the server just refused: one that has come, or is coming, meanwhile.
   *
   * @param options.fetch - whether to ask the source for a new one if there is none otherwise; not more
   *   than once in {@link MIN_FORCED_INTERVAL_MS}, however many sessions wish so.
   * @returns undefined when there is no other.
   */
  async replacementFor(refused: AccessToken, options: { fetch: boolean }): Promise<AccessToken | undefined> {
    const isMine = this.#token?.value === refused.value;
    if (this.#inFlight !== undefined) await this.#inFlight;
    else if (isMine && options.fetch && this.#mayForce()) await this.#fetch();
    return this.#token?.value === refused.value ? undefined : this.#token;
  }

  #mayForce(): boolean {
    const now = this.#options.now();
    if (Math.abs(now - this.#forcedAt) < MIN_FORCED_INTERVAL_MS) return false;
    this.#forcedAt = now;
    return true;
  }

  /** Stops refreshing. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** The time. If the clock was set back since the last look, every plan made by it is void: refresh now. */
  #look(): number {
    const now = this.#options.now();
    if (now < this.#lookedAt - CLOCK_STEP_MS) {
      this.#refreshAt = now;
      if (this.#outage !== undefined) this.#outage = { ...this.#outage, knockAt: now };
    }
    this.#lookedAt = now;
    return now;
  }

  // Shared by every waiting session, so no one session's signal may cancel it.
  #fetch(): Promise<AccessToken> {
    this.#inFlight ??= this.#startFetch();
    return this.#inFlight;
  }

  /** @returns what sessions wait for: not longer than the patience has it if an outage is known. */
  #startFetch(): Promise<AccessToken> {
    const outage = this.#outage;
    const impatience = Promise.withResolvers<never>();
    const patienceMs = this.#options.fetchTimeoutMs * PATIENCE;
    const timer = outage && setTimeout(() => impatience.reject(outage.error), patienceMs).unref();
    const result = this.#fetchOnce().finally(() => {
      clearTimeout(timer);
      this.#inFlight = undefined;
    });
    return Promise.race([result, impatience.promise]);
  }

  #refreshBehind(): void {
    // Its failure has been told through onEvent, and the token in hand still serves.
    this.#fetch().catch(() => {});
  }

  async #fetchOnce(): Promise<AccessToken> {
    const now = this.#options.now;
    try {
      const token = await this.#bounded();
      if (token.expiresAt <= now()) throw expiredOnArrival(this.#source.name);
      this.#outage = undefined;
      this.#keep(token);
      this.#options.onEvent({ kind: 'refreshed', token });
      return token;
    } catch (error) {
      const held = this.#token;
      const retryAfterMs =
        error instanceof ThrottledError ? Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS) : 0;
      this.#outage = { error, knockAt: now() + Math.max(FAILURE_MEMORY_MS, retryAfterMs) };
      this.#retryLater(retryAfterMs);
      const validUntil = held !== undefined && held.expiresAt > now() ? held.expiresAt : undefined;
      this.#options.onEvent({ kind: 'failed', error, validUntil });
      throw error;
    } finally {
      this.#schedule();
    }
  }

  /** The source's fetch, given up after the timeout whether the source listens to the signal or not. */
  async #bounded(): Promise<AccessToken> {
    const { fetchTimeoutMs } = this.#options;
    const signal = AbortSignal.timeout(fetchTimeoutMs);
    const { promise: timedOut, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(fetchTimedOut(this.#source.name, fetchTimeoutMs));
    signal.addEventListener('abort', giveUp);
    try {
      return await Promise.race([this.#source.fetchToken(signal), timedOut]);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #keep(token: AccessToken): void {
    const now = this.#options.now();
    const life = token.expiresAt - now;
    const isNew = token.value !== this.#token?.value;
    this.#token = token;
    const planned = now + (isNew ? this.#planRefresh(life) : planAnother(life));
    const wishes = [planned, token.refreshAt ?? planned].filter((time) => time > now);
    if (wishes.length > 0) {
      this.#refreshAt = Math.min(...wishes);
      this.#retryMs = FIRST_RETRY_MS;
    } else {
      this.#retryLater();
    }
  }

  /** Milliseconds from now. */
  #planRefresh(life: number): number {
    const jitter = 1 + REFRESH_JITTER * (2 * this.#options.random() - 1);
    return life * REFRESH_AFTER * jitter;
  }

  /** @param atLeastMs - before that the endpoint does not want to be asked. */
  #retryLater(atLeastMs = 0): void {
    const now = this.#options.now();
    // An outage that ends before the token does shall not be noticed, however long it has lasted.
    const leftMs = (this.#token?.expiresAt ?? now) - now;
    const backoffMs =
      leftMs > 0 ? Math.min(this.#retryMs, Math.max(FIRST_RETRY_MS, leftMs / 2)) : this.#retryMs;
    this.#refreshAt = now + Math.max(backoffMs, atLeastMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #schedule(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const wait = Math.min(TICK_MS, Math.max(0, this.#refreshAt - this.#options.now()));
    this.#timer = setTimeout(this.#onTick, wait);
    this.#timer.unref();
  }

  readonly #onTick = (): void => {
    if (this.#look() >= this.#refreshAt) this.#refreshBehind();
    else this.#schedule();
  };
}

/**
 * When to ask again for a token that came a second time, out of the source's own cache: rarely while it
 * is long, then often.
 *
 * @returns milliseconds from now; 0 when it is high time.
 */
function planAnother(life: number): number {
  return Math.max(0, Math.min(life / 4, life - LAST_MARGIN_MS));
}
