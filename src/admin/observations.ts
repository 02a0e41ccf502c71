import type { TokenEvent } from '../identity/token-cache.ts';
import type { SessionObserver } from '../proxy/observer.ts';
import { LastErrors } from './last-errors.ts';
import { BUCKET_COUNT, BUCKET_MS, type LoginBucket, LoginHistory } from './login-history.ts';
import { Metrics } from './metrics.ts';

/** What the page's charts and rings show beyond the status, for JSON. */
export interface Charts {
  readonly bucketMs: number;
  readonly bucketCount: number;
  /** By server. */
  readonly logins: Readonly<Record<string, readonly LoginBucket[]>>;
  /** When the token in hand came, by identity: ISO 8601. */
  readonly tokensSince: Readonly<Record<string, string>>;
}

/** What the program remembers of itself, for as long as it runs. */
export class Observations {
  readonly metrics = new Metrics();
  readonly lastErrors = new LastErrors();
  readonly #logins = new Map<string, LoginHistory>();
  readonly #tokensSince = new Map<string, string>();

  /** For the sessions of one server; `server` is its name in the configuration. */
  observerOf(server: string): SessionObserver {
    const observer = this.metrics.observerOf(server);
    const logins = this.#logins.get(server) ?? new LoginHistory();
    this.#logins.set(server, logins);
    return {
      ...observer,
      loggedIn: (totalMs, phases) => {
        observer.loggedIn(totalMs, phases);
        logins.note(totalMs, phases);
      },
      ended: (outcome) => {
        observer.ended(outcome);
        this.lastErrors.note(server, outcome);
      },
    };
  }

  /** For the token cache of one identity. */
  tokenListener(identity: string): (event: TokenEvent) => void {
    const listener = this.metrics.tokenListener(identity);
    return (event) => {
      listener(event);
      if (event.kind === 'refreshed') this.#tokensSince.set(identity, new Date().toISOString());
    };
  }

  /** The last ten minutes. */
  charts(): Charts {
    const logins = [...this.#logins].map(([server, history]) => [server, history.buckets()] as const);
    return {
      bucketMs: BUCKET_MS,
      bucketCount: BUCKET_COUNT,
      logins: Object.fromEntries(logins),
      tokensSince: Object.fromEntries(this.#tokensSince),
    };
  }
}
