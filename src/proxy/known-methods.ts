import type { LoginPlan } from './policy.ts';

/** For so long what a server did is taken for what it will do. */
const VALIDITY_MS = 600_000;

/** Clients choose names of databases: so many are remembered, the latest. */
const MAX_COUNT = 1_000;

/**
 * Which logins a server is known to answer by asking for a cleartext password. It decides by role, database and
 * replication (pg_hba.conf), and so what it did for one login holds for the next of the same kind.
 */
export class KnownMethods {
  readonly #now: () => number;
  readonly #knownUntil = new Map<string, number>();

  /** @param now - milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  asksForToken(kind: string): boolean {
    return this.#now() < (this.#knownUntil.get(kind) ?? 0);
  }

  /** The server has asked for it, and liked what it got. */
  learn(kind: string): void {
    this.#knownUntil.delete(kind);
    this.#knownUntil.set(kind, this.#now() + VALIDITY_MS);
    for (const [oldest] of this.#knownUntil) {
      if (this.#knownUntil.size <= MAX_COUNT) break;
      this.#knownUntil.delete(oldest);
    }
  }

  forget(kind: string): void {
    this.#knownUntil.delete(kind);
  }
}

/** What the server's choice depends on, in one text. */
export function kindOfLogin(role: string, { database, parameters }: LoginPlan): string {
  const replication = parameters
    .filter(({ name }) => name === 'replication')
    .map(({ value }) => value.toString());
  return JSON.stringify([role, database.toString('latin1'), ...replication]);
}
