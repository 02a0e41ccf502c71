import { ProxyError, SqlState } from '../errors.ts';
import { encodeNotice } from '../protocol/error-response.ts';

/** How long a login may wait before its client is told why it took so long, in milliseconds. */
const LONG_WAIT_MS = 5_000;

const NOTHING = Buffer.alloc(0);

/** What a login has while it is let in. */
export interface Place {
  /** A NoticeResponse if it waited long, or nothing: for the client, right behind AuthenticationOk. */
  readonly notice: Buffer;
  /** How long it waited. */
  readonly waitedMs: number;
  /** Gives the place up before the login ends; at its end that happens by itself. */
  leave(): void;
}

/**
 * Lets only so many logins at a time through to the server, in the order in which they came: there each
 * costs a TLS handshake, a new process and a check of the token, and a thousand at once make all of them
 * late.
 *
 * A client that waits long is told so only once it is in: libpq and pgjdbc give up when a NoticeResponse
 * comes before AuthenticationOk.
 */
export class LoginGate {
  readonly #maxLogins: number;
  readonly #longWaitMs: number;
  /** Those that wait, by ticket: tickets are numbered in the order in which they came. */
  readonly #waiting = new Map<number, () => void>();
  /** No lower ticket waits any more. */
  #firstTicket = 0;
  #nextTicket = 0;
  #underWay = 0;

  /** @param maxLogins - at least 1; may be Infinity. */
  constructor(maxLogins: number, longWaitMs = LONG_WAIT_MS) {
    this.#maxLogins = maxLogins;
    this.#longWaitMs = longWaitMs;
  }

  get underWayCount(): number {
    return this.#underWay;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Runs a login as soon as there is a place for it.
   *
   * @param signal - takes it out of the queue; when it is let in, the signal is its own business.
   * @throws {@link ProxyError} 53300 if the login deadline comes while it waits, or so soon after that the
   *   wait is to blame; the signal's reason; what the login throws.
   */
  async admit<T>(login: (place: Place) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const start = performance.now();
    const hasWaited = this.#underWay >= this.#maxLogins;
    if (hasWaited) await this.#wait(signal, start);
    else this.#underWay += 1;
    const begin = performance.now();
    const waitedMs = hasWaited ? begin - start : 0;
    let isIn = true;
    const leave = (): void => {
      if (isIn) this.#letNextIn();
      isIn = false;
    };
    const notice = waitedMs > 0 && waitedMs >= this.#longWaitMs ? this.#encodeLongWait(waitedMs) : NOTHING;
    try {
      return await login({ notice, waitedMs, leave });
    } catch (error) {
      throw waitedMs > performance.now() - begin ? this.#blame(error, waitedMs) : error;
    } finally {
      leave();
    }
  }

  #wait(signal: AbortSignal, start: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const ticket = this.#nextTicket;
      this.#nextTicket += 1;
      const onAbort = (): void => {
        this.#waiting.delete(ticket);
        reject(this.#blame(signal.reason, performance.now() - start));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(ticket, () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  /** Hands the place on: it is never free while somebody waits, so nobody who comes later can take it. */
  #letNextIn(): void {
    while (this.#firstTicket < this.#nextTicket) {
      const letIn = this.#waiting.get(this.#firstTicket);
      this.#waiting.delete(this.#firstTicket);
      this.#firstTicket += 1;
      if (letIn !== undefined) return letIn();
    }
    this.#underWay -= 1;
  }

  /** The login deadline, as it is to be told where the time went by with waiting; any other error as it is. */
  #blame(error: unknown, waitedMs: number): unknown {
    if (!(error instanceof ProxyError) || error.sqlState !== SqlState.sessionTimeout) return error;
    return new ProxyError(SqlState.tooManyConnections, `${this.#describe(waitedMs)}, until it was too late`, {
      hint:
        'Let fewer clients connect at once, or raise --max-logins or --login-timeout; if the logins under way ' +
        'hang, it is the server that is slow to answer.',
      cause: error,
    });
  }

  #encodeLongWait(waitedMs: number): Buffer {
    const hint = 'Let fewer clients connect at once, or raise --max-logins.';
    return encodeNotice(this.#describe(waitedMs), hint);
  }

  #describe(waitedMs: number): string {
    return `the login waited ${Math.round(waitedMs / 1000)} s for one of ${this.#maxLogins} concurrent logins to finish`;
  }
}
