/** Where a client of the benchmark connects, and as whom. Crosses process borders as JSON. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly role: string;
  readonly database: string;
  /** Sent only to who asks for it. */
  readonly password: string;
  /** Present: TLS with the certificate checked for this name (`sslmode=verify-full`); else none. */
  readonly tls?: { readonly serverName: string; readonly caPem: string };
}
