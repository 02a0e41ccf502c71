/** The parts of a login, in their order; not every login has each. */
export const LOGIN_PHASES = ['token', 'queue', 'dial', 'tls', 'authentication'] as const;

export type LoginPhase = (typeof LOGIN_PHASES)[number];

/** What became of a session, in one word. */
type SessionResult =
  /** The client ended it, or the server did at the client's word. */
  | 'completed'
  /** The server ended it with a FATAL error of its own. */
  | 'server_ended'
  /** The server went without a word. */
  | 'server_lost'
  /** Closed by the proxy between transactions: a drain, or one of its limits. */
  | 'drained'
  | 'retired'
  /** Closed by the proxy whatever went on. */
  | 'cut'
  /** Never logged in: the proxy said no, the server did, or the client left. */
  | 'refused'
  | 'rejected'
  | 'client_left';

/** One session, as far as its client said what it wants, at its end. */
export interface SessionOutcome {
  readonly result: SessionResult;
  /** What the client was told, by the proxy or by the server: undefined if nothing, or if nobody knows. */
  readonly sqlState: string | undefined;
  /** What went wrong, in words fit for a log. */
  readonly error: { readonly message: string; readonly hint: string | undefined } | undefined;
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
}

/** Who hears what sessions do. Nothing of it is asked for in the relay: traffic costs nothing more. */
export interface SessionObserver {
  /** A connection to the server is there, or could not be had. */
  dialled(result: 'ok' | 'failed'): void;
  /** A client knows that it is in; how long all of it and its parts took, in milliseconds. */
  loggedIn(totalMs: number, phases: Readonly<Partial<Record<LoginPhase, number>>>): void;
  /** The session's place is free again. */
  ended(outcome: SessionOutcome): void;
  /** No new sessions are taken from now on. */
  draining(): void;
}

/** As PostgreSQL's own pg_stat_activity has it, but for the first and the last. */
export type SessionActivity =
  | 'logging in'
  | 'active'
  | 'idle'
  | 'idle in transaction'
  | 'idle in transaction (aborted)'
  | 'replicating';

/** A session at one moment. Texts are those of the client, made printable: never more than text. */
export interface SessionView {
  readonly id: number;
  readonly client: string;
  readonly applicationName: string | undefined;
  readonly clientUser: string | undefined;
  readonly database: string | undefined;
  readonly role: string | undefined;
  readonly ageMs: number;
  readonly activity: SessionActivity;
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
}
