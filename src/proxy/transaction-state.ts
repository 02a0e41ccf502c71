import { MessageFramer, watchList } from '../protocol/framing.ts';
import { MAX_CANCEL_KEY_LENGTH } from '../protocol/limits.ts';
import type { SessionActivity } from './observer.ts';

const FROM_SERVER = watchList({ Z: 1, E: 48, G: 0, W: 0, K: 4 + MAX_CANCEL_KEY_LENGTH });
const FROM_CLIENT = watchList({ Q: 0, F: 0, S: 0, P: 0, B: 0, E: 0, D: 0, C: 0, H: 0, c: 0, f: 0, X: 0 });

/** The severity fields at the head of an ErrorResponse that a session does not outlive. */
const DEADLY = /(?:^|\0)[SV](?:FATAL|PANIC)\0/;

const IDLE = 'I';

/** By the transaction status of ReadyForQuery, while nothing is under way. */
const ACTIVITIES: Readonly<Record<string, SessionActivity>> = {
  I: 'idle',
  T: 'idle in transaction',
  E: 'idle in transaction (aborted)',
};

/**
 * Follows both directions of a session after AuthenticationOk, to know two things: whether it is
 * between transactions with nothing under way, and whether the server stands between two messages.
 *
 * Every Query, FunctionCall and Sync is answered by one ReadyForQuery, with one exception: a Sync that
 * reaches the server during COPY IN is ignored.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export class TransactionState {
  readonly #fromServer: MessageFramer;
  readonly #fromClient: MessageFramer;
  /** Called with the process ID and key of BackendKeyData. */
  readonly #onBackendKey: (key: Buffer) => void;
  /** ReadyForQuery messages to come; the login itself ends with one. */
  #awaited = 1;
  #lastAwaitedIsSync = false;
  /** Extended-protocol messages went out and no Sync has followed. */
  #batchOpen = false;
  #copyIn = false;
  #copyBoth = false;
  #status = '';
  #terminated = false;
  #explained = false;

  constructor(onBackendKey: (key: Buffer) => void) {
    this.#onBackendKey = onBackendKey;
    this.#fromServer = new MessageFramer(FROM_SERVER, (type, body) => this.#onServerMessage(type, body));
    this.#fromClient = new MessageFramer(FROM_CLIENT, (type) => this.#onClientMessage(type));
  }

  pushFromServer(chunk: Buffer): void {
    this.#fromServer.push(chunk);
  }

  pushFromClient(chunk: Buffer): void {
    this.#fromClient.push(chunk);
  }

  /** Whether an ErrorResponse can be put in after what the server has sent so far. */
  get serverAtBoundary(): boolean {
    return this.#fromServer.atBoundary;
  }

  /** Whether the session can be closed here without anybody losing anything. */
  get idle(): boolean {
    if (!this.#fromServer.atBoundary || !this.#fromClient.atBoundary) return false;
    // A replication stream has no transactions: it goes on from its position after a reconnect.
    if (this.#copyBoth) return true;
    return this.#awaited === 0 && !this.#batchOpen && this.#status === IDLE;
  }

  /** Whether a replication stream is under way. */
  get streaming(): boolean {
    return this.#copyBoth;
  }

  /** What the session is busy with, as far as both directions tell. */
  get activity(): SessionActivity {
    if (this.#copyBoth) return 'replicating';
    if (this.#awaited > 0 || this.#batchOpen) return 'active';
    return ACTIVITIES[this.#status] ?? 'active';
  }

  /** Whether the server owes an answer. */
  get awaited(): boolean {
    return this.#awaited > 0;
  }

  /** Whether the client said Terminate: the server's close is then what it asked for. */
  get terminated(): boolean {
    return this.#terminated;
  }

  /** Whether the server's last word was a FATAL error: its close needs no further explanation. */
  get explained(): boolean {
    return this.#explained;
  }

  #onServerMessage(type: number, body: Buffer): void {
    switch (String.fromCharCode(type)) {
      case 'Z':
        this.#awaited = Math.max(0, this.#awaited - 1);
        this.#status = String.fromCharCode(body[0] ?? 0);
        this.#copyIn = false;
        this.#copyBoth = false;
        break;
      case 'E':
        this.#copyIn = false;
        this.#explained = DEADLY.test(body.toString('latin1'));
        break;
      case 'G':
        this.#copyIn = true;
        this.#forgetIgnoredSync();
        break;
      case 'W':
        this.#copyBoth = true;
        break;
      case 'K':
        this.#onBackendKey(Buffer.from(body));
    }
  }

  #onClientMessage(type: number): void {
    switch (String.fromCharCode(type)) {
      case 'Q':
      case 'F':
        this.#awaited += 1;
        this.#lastAwaitedIsSync = false;
        this.#batchOpen = false;
        break;
      case 'S':
        if (this.#copyIn) break;
        this.#awaited += 1;
        this.#lastAwaitedIsSync = true;
        this.#batchOpen = false;
        break;
      case 'c':
      case 'f':
        this.#copyIn = false;
        break;
      case 'X':
        this.#terminated = true;
        break;
      default:
        this.#batchOpen = true;
    }
  }

  /** libpq sends Sync right behind the Execute that turns out to be COPY IN, and another at its end. */
  #forgetIgnoredSync(): void {
    if (!this.#lastAwaitedIsSync || this.#awaited === 0) return;
    this.#awaited -= 1;
    // Unless a later Sync is on its way, the batch goes on until the client sends one.
    if (this.#awaited === 0) this.#batchOpen = true;
  }
}
