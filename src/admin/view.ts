import type { SessionView } from '../proxy/observer.ts';

/** What the admin listener shows and does; the commands know where it comes from. */
export interface AdminView {
  readonly version: string;
  /** Every listener is there. */
  readonly isListening: boolean;
  /** Told to stop, or to let go of its sessions: nobody new should be sent here. */
  readonly isDraining: boolean;
  /** Looks at what other processes have in hand, to be shown from then on; never rejects, and does not take long. */
  readonly look?: (() => Promise<void>) | undefined;
  servers(): readonly ServerView[];
  identities(): readonly IdentityView[];
  /** Ends sessions between transactions and takes no new ones; asking again changes nothing. */
  drain(): void;
  /** Drains, then ends the program. */
  quit(): void;
}

/** One server at one moment. */
export interface ServerView {
  /** Its name, as the configuration has it. */
  readonly host: string;
  /** What is dialled. */
  readonly upstream: string;
  readonly listeners: readonly string[];
  /** The first is for all client users that have none of their own. */
  readonly logins: readonly LoginView[];
  /** Gone from the configuration, with sessions that are not over. */
  readonly isRemoved: boolean;
  readonly isDraining: boolean;
  readonly connectionCount: number;
  readonly sessionCount: number;
  readonly maxSessions: number;
  readonly loginsUnderWay: number;
  readonly loginsWaiting: number;
  /** Connections to the server that no login has taken yet. */
  readonly warmConnections: number;
  /** Of this moment; to be gone through at once. */
  sessions(): Iterable<SessionView>;
}

/** Whom some clients log in as. */
export interface LoginView {
  readonly clientUser: string | undefined;
  /** Undefined while it is not known. */
  readonly role: string | undefined;
  /** The name of an {@link IdentityView}. */
  readonly identity: string;
}

/** One credential with one scope. Times are wall-clock milliseconds since 1970. */
export interface IdentityView {
  /** Unique, and made of the configuration alone. */
  readonly name: string;
  readonly credential: string;
  readonly scope: string;
  /** Of the token in hand, also when it is over; undefined: there was none yet. */
  readonly tokenExpiresAt: number | undefined;
  readonly nextRefreshAt: number | undefined;
  /** Why the last fetch failed; undefined if it did not. */
  readonly failure: unknown;
}

/** Whether a login can be done with the token in hand. */
export function isUsable({ tokenExpiresAt }: IdentityView, now: number): boolean {
  return tokenExpiresAt !== undefined && now < tokenExpiresAt;
}
