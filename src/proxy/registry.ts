import { ProxyError, SqlState } from '../errors.ts';
import type { SessionView } from './observer.ts';

/** What the registry can do with a connection, whatever it is busy with. */
export interface LiveSession {
  /** End as soon as nothing is lost by it. */
  drain(): void;
  /** End now. */
  stop(): void;
  /** What there is to see of it now. */
  view(): SessionView;
}

/**
 * All connections, and how many of them have become sessions. A connection counts as a session once
 * its client has said what it wants, so that CancelRequests get through at the cap too; before that, as
 * in PostgreSQL itself, twice as many connections may be open.
 */
export class SessionRegistry {
  /** How many sessions there may be; fewer than there are ends none of them. */
  maxSessions: number;
  readonly #connections = new Set<LiveSession>();
  readonly #sessions = new Set<LiveSession>();
  #draining = false;
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(maxSessions: number) {
    this.maxSessions = maxSessions;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** All sessions as they are now, the oldest first. */
  *views(): Generator<SessionView, void> {
    for (const session of this.#sessions) yield session.view();
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** @throws {@link ProxyError} 53300 when far more connections are open than sessions are allowed. */
  addConnection(connection: LiveSession): void {
    this.#connections.add(connection);
    if (this.#connections.size > 2 * this.maxSessions) throw tooMany(this.maxSessions);
  }

  /** @throws {@link ProxyError} 53300 at the cap, 57P03 while draining. */
  addSession(connection: LiveSession): void {
    if (this.#draining) throw shuttingDown();
    if (this.#sessions.size >= this.maxSessions) throw tooMany(this.maxSessions);
    this.#sessions.add(connection);
  }

  /** Gives its place to the next one; the connection may still be open for a while. */
  endSession(connection: LiveSession): void {
    this.#sessions.delete(connection);
  }

  remove(connection: LiveSession): void {
    this.endSession(connection);
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#empty?.resolve();
  }

  /** Asks every connection to end between transactions; resolves when the last has. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const connection of this.#connections) connection.drain();
    this.#empty ??= Promise.withResolvers<void>();
    if (this.#connections.size === 0) this.#empty.resolve();
    return this.#empty.promise;
  }

  /** Ends every connection now. */
  stop(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.stop();
  }
}

/** For clients that come, or are still logging in, while the proxy stops. */
export function shuttingDown(): ProxyError {
  return new ProxyError(SqlState.cannotConnectNow, 'pg-entra-proxy is shutting down', {
    hint: 'Try again in a moment.',
  });
}

function tooMany(maxSessions: number): ProxyError {
  return new ProxyError(
    SqlState.tooManyConnections,
    `pg-entra-proxy has no session left (of ${maxSessions})`,
    {
      hint: 'Close idle connections or make the pool smaller; --max-sessions raises the cap.',
    },
  );
}
