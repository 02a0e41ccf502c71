import type { TLSSocket } from 'node:tls';
import type { Dialled } from './dial.ts';

/** How old an unused one may get. A server gives a silent client 30 s (authentication_timeout on Azure). */
const MAX_AGE_MS = 12_000;

/** For so long after a login another one is expected. */
const TRAFFIC_MS = 60_000;

/** How long one may leave a startup unanswered before another is tried: the way may be gone. */
const ANSWER_MS = 3_000;

/**
 * How long after a login the next connection is opened. The server still starts its process for the one that has
 * logged in, and the client waits for that: a handshake beside it would be paid for twice.
 */
const REFILL_DELAY_MS = 25;

export interface WarmOptions {
  /** The most there may be, those under way included. */
  readonly limit: number;
  /** Opens a verified connection, on which nothing has been said yet. */
  readonly dial: (signal: AbortSignal) => Promise<Dialled>;
  /** Whether logins wait for each other: then the server is not asked for more. */
  readonly isBusy?: () => boolean;
  readonly maxAgeMs?: number;
  readonly trafficMs?: number;
  readonly answerWithinMs?: number;
}

interface Warm {
  readonly socket: TLSSocket;
  readonly onReadable: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Warm connections: verified TLS connections to the server, opened ahead of the logins that will need them.
 *
 * There are some only while logins come: as many as were missed lately, fewer when they grow old unused, and
 * none a minute after the last login. None is older than {@link MAX_AGE_MS}, so that the server has not lost
 * its patience, and an address that a failover has left behind is soon forgotten. What the server closes, or
 * says anything on, is dropped; and a new one is opened only behind a login that went well, so that a server
 * in trouble is left in peace.
 *
 * Costs at the server: a process that waits for a StartupMessage. It takes none of `max_connections`.
 */
export class WarmConnections {
  /** How long to wait for the first answer on one that was taken. */
  readonly answerWithinMs: number;
  readonly #options: WarmOptions;
  readonly #maxAgeMs: number;
  readonly #trafficMs: number;
  readonly #closing = new AbortController();
  /** The oldest first. */
  readonly #warm: Warm[] = [];
  #dialling = 0;
  #refill: NodeJS.Timeout | undefined;
  #wanted = 0;
  #lastLoginAt = Number.NEGATIVE_INFINITY;

  constructor(options: WarmOptions) {
    this.answerWithinMs = options.answerWithinMs ?? ANSWER_MS;
    this.#options = options;
    this.#maxAgeMs = options.maxAgeMs ?? MAX_AGE_MS;
    this.#trafficMs = options.trafficMs ?? TRAFFIC_MS;
  }

  /** How many wait to be taken. */
  get count(): number {
    return this.#warm.length;
  }

  /** One that is alive as far as can be told, the oldest; undefined if there is none: then one more is wanted. */
  take(): TLSSocket | undefined {
    this.#lastLoginAt = performance.now();
    for (;;) {
      const [oldest] = this.#warm;
      if (oldest === undefined) {
        this.#wanted = Math.min(this.#wanted + 1, this.#options.limit);
        return undefined;
      }
      this.#forget(oldest);
      if (isSilent(oldest.socket)) return oldest.socket;
      oldest.socket.destroy();
    }
  }

  /** Opens what is wanted, in a moment; to be said when a login has gone well. */
  refill(): void {
    if (this.#options.isBusy?.() === true) return;
    this.#refill ??= setTimeout(() => this.#openMissing(), REFILL_DELAY_MS).unref();
  }

  #openMissing(): void {
    this.#refill = undefined;
    const { limit } = this.#options;
    const missing = Math.min(this.#wanted, limit) - this.#warm.length - this.#dialling;
    for (let count = 0; count < missing; count += 1) void this.#open();
  }

  /** Drops all of them: one has turned out to lead nowhere. */
  clear(): void {
    for (let [warm] = this.#warm; warm !== undefined; [warm] = this.#warm) this.#drop(warm);
  }

  /** Drops all of them, and opens none any more. */
  close(): void {
    this.#wanted = 0;
    clearTimeout(this.#refill);
    this.#closing.abort(new Error('closed'));
    this.clear();
  }

  async #open(): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#dialling += 1;
    try {
      const { socket } = await this.#options.dial(signal);
      if (signal.aborted) socket.destroy();
      else this.#keep(socket);
    } catch {
      // Whoever needs a connection next finds out what is the matter, and tells.
    } finally {
      this.#dialling -= 1;
    }
  }

  #keep(socket: TLSSocket): void {
    // Whatever comes now, and be it the end, makes it useless: the server speaks only when spoken to.
    const onReadable = (): void => this.#drop(warm);
    const timer = setTimeout(() => this.#expire(warm), this.#maxAgeMs).unref();
    const warm: Warm = { socket, onReadable, timer };
    this.#warm.push(warm);
    socket.on('readable', onReadable).on('close', onReadable);
  }

  #forget(warm: Warm): void {
    const { socket, onReadable, timer } = warm;
    this.#warm.splice(this.#warm.indexOf(warm), 1);
    clearTimeout(timer);
    socket.off('readable', onReadable).off('close', onReadable);
  }

  #drop(warm: Warm): void {
    this.#forget(warm);
    // With TLS's own farewell, which the server would miss in its log.
    if (isSilent(warm.socket)) warm.socket.destroySoon();
    else warm.socket.destroy();
  }

  /** Nobody needed it for all that time: fewer will do. */
  #expire(warm: Warm): void {
    this.#drop(warm);
    const isExpected = performance.now() - this.#lastLoginAt < this.#trafficMs;
    this.#wanted = isExpected ? Math.max(1, this.#wanted - 1) : 0;
    this.refill();
  }
}

/** Whether the peer is there and has said nothing. */
function isSilent(socket: TLSSocket): boolean {
  return !socket.destroyed && !socket.readableEnded && socket.readableLength === 0 && socket.writable;
}
