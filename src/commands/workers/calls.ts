import type { Config } from '../../config/load.ts';
import type { AccessToken } from '../../identity/token-source.ts';
import type { SessionObserver, SessionOutcome, SessionView } from '../../proxy/observer.ts';
import type { Failure } from './failure.ts';
import type { Load } from './sharing.ts';

/** What the primary process says to a worker. */
export interface WorkerCalls {
  /** The first makes it ready for connections. */
  configure(setup: Setup): Promise<void>;
  /** A new token has come. */
  keepToken(news: TokenNews): void;
  look(request: Nothing): Snapshot;
  hasCancelKey(request: { readonly key: Uint8Array }): boolean;
  /** Passes a CancelRequest on to the server of the session that the key is of. */
  cancel(request: { readonly key: Uint8Array }): Promise<void>;
  drain(request: { readonly timeoutMs: number }): void;
  stop(request: Nothing): void;
  /** There is nothing more to do: leave. */
  close(request: Nothing): void;
}

/** What a worker says to the primary process. */
export interface PrimaryCalls {
  getToken(request: { readonly identity: string }): Promise<AccessToken>;
  replaceToken(request: Replacement): Promise<AccessToken | undefined>;
  /** The role of a token that does not name its own. */
  nameOwner(request: TokenNews): Promise<string>;
  /** A connection has arrived. */
  taken(request: { readonly id: number }): void;
  /** A connection wants to become a session; rejects with what its client is to be told. */
  takePlace(request: { readonly id: number }): void;
  endSession(request: { readonly id: number }): void;
  /** A connection is closed. */
  remove(request: { readonly id: number }): void;
  dialled(news: { readonly host: string; readonly result: 'ok' | 'failed' }): void;
  loggedIn(news: { readonly host: string; readonly login: Parameters<SessionObserver['loggedIn']> }): void;
  ended(news: { readonly host: string; readonly outcome: SessionOutcome }): void;
  /** Has another process pass a CancelRequest on; false if none runs the session. */
  cancelElsewhere(request: { readonly key: Uint8Array }): Promise<boolean>;
}

type Nothing = Readonly<Record<string, never>>;

/** All that a worker needs to know. */
export interface Setup {
  /** From 1. */
  readonly number: number;
  readonly version: string;
  readonly config: Config;
  readonly secret: Uint8Array;
  /** Those in hand. */
  readonly tokens: readonly TokenNews[];
}

/** A token, and which of the program's identities it is of. */
export interface TokenNews {
  readonly identity: string;
  readonly token: AccessToken;
}

interface Replacement {
  readonly identity: string;
  readonly refused: AccessToken;
  readonly fetch: boolean;
}

/** A connection on its way to a worker. */
export interface HandedOver {
  readonly id: number;
  readonly server: string;
  /** What its client is to be told. */
  readonly refusal: Failure | undefined;
}

/** What a worker has in hand at one moment. */
export interface Snapshot {
  readonly sessions: readonly SessionView[];
  /** By server. */
  readonly loads: readonly (readonly [string, Load])[];
}
