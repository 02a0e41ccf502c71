/** What the listener tells, as far as the page shows it; see status.ts and observations.ts. */

export interface Status {
  readonly version: string;
  readonly now: string;
  readonly ready: boolean;
  readonly reasons: readonly Reason[];
  readonly draining: boolean;
  readonly servers: readonly Server[];
  readonly identities: readonly Identity[];
}

export interface Reason {
  readonly code: string;
  readonly server?: string;
  readonly message: string;
}

export interface Server {
  readonly host: string;
  readonly upstream: string;
  readonly listeners: readonly string[];
  readonly logins: readonly Login[];
  readonly removed: boolean;
  readonly draining: boolean;
  readonly loginsUnderWay: number;
  readonly loginsWaiting: number;
  readonly sessions: { readonly active: number; readonly max: number; readonly list: readonly Session[] };
  readonly lastErrors: readonly LastError[];
}

export interface Login {
  readonly clientUser: string | null;
  readonly role: string | null;
  readonly identity: string;
}

export interface Session {
  readonly id: number;
  readonly client: string;
  readonly applicationName: string | null;
  readonly clientUser: string | null;
  readonly database: string | null;
  readonly role: string | null;
  readonly ageMs: number;
  readonly activity: string;
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
}

export interface LastError {
  readonly result: string;
  readonly class: string;
  readonly sqlState: string | null;
  readonly message: string;
  readonly hint: string | null;
  readonly at: string;
  readonly count: number;
}

export interface Identity {
  readonly name: string;
  readonly credential: string;
  readonly scope: string;
  readonly token: string;
  readonly tokenExpiresAt: string | null;
  readonly nextRefreshAt: string | null;
  readonly lastError: { readonly sqlState: string; readonly message: string; readonly hint: string } | null;
}

export type Percentiles = readonly [p50: number, p95: number];

export interface Bucket {
  readonly ago: number;
  readonly count: number;
  readonly total: Percentiles;
  readonly phases: Readonly<Record<string, Percentiles>>;
}

export interface Charts {
  readonly bucketMs: number;
  readonly bucketCount: number;
  readonly logins: Readonly<Record<string, readonly Bucket[]>>;
  readonly tokensSince: Readonly<Record<string, string>>;
}
