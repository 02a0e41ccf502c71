import { describeError } from '../log.ts';
import type { SessionOutcome } from '../proxy/observer.ts';
import { sqlStateLabel } from './labels.ts';

/** The last error of a kind. */
export interface LastError {
  /** Who said no, `refused` (the proxy) or `rejected` (the server), and the class of its SQLSTATE. */
  readonly result: string;
  readonly class: string;
  /** As it was sent. */
  readonly sqlState: string | null;
  readonly message: string;
  readonly hint: string | null;
  /** Wall-clock milliseconds since 1970. */
  readonly at: number;
  /** How many of this kind there have been. */
  readonly count: number;
}

/** The last error of each kind, of each server: as many as there are kinds, however many errors come. */
export class LastErrors {
  readonly #byServer = new Map<string, Map<string, LastError>>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  note(server: string, { result, sqlState, error }: SessionOutcome): void {
    if (error === undefined) return;
    const label = sqlStateLabel(sqlState);
    const key = `${result} ${label}`;
    const errors = this.#byServer.get(server) ?? new Map<string, LastError>();
    this.#byServer.set(server, errors);
    const count = (errors.get(key)?.count ?? 0) + 1;
    errors.set(key, {
      result,
      class: label,
      sqlState: sqlState === undefined ? null : describeError(sqlState),
      // Texts may be the server's, or quote the client.
      message: describeError(error.message),
      hint: error.hint === undefined ? null : describeError(error.hint),
      at: this.#now(),
      count,
    });
  }

  /** Of one server, the latest first. */
  of(server: string): LastError[] {
    return [...(this.#byServer.get(server)?.values() ?? [])].toSorted((one, other) => other.at - one.at);
  }
}
