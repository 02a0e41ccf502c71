import { isIP } from 'node:net';

/** Stands for a password that the proxy does not know, and would not tell. */
export const PASSWORD = 'YOUR-PASSWORD';

/** How a client comes to the proxy: in the clear, or over local TLS. */
type TargetTls =
  | { readonly mode: 'disable' }
  | { readonly mode: 'require' }
  /** The file with the CA is known, or a placeholder. */
  | { readonly mode: 'verify-full'; readonly rootCert: string };

/** Where clients find the proxy of one server, and what they have to give. */
export interface Target {
  /** The server's name. */
  readonly server: string;
  /** A short name for it, for configurations that want one: letters, digits, `_` and `-`. */
  readonly label: string;
  /** A host name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** The path of the Unix socket, if it is one. */
  readonly socket: string | undefined;
  readonly database: string;
  readonly user: string;
  /** Whether the client is asked for a password. */
  readonly needsPassword: boolean;
  readonly tls: TargetTls;
}

type Parameters = readonly (readonly [string, string | number])[];

/** What libpq calls the TLS parameters, and most clients after it. */
export function tlsParameters({ tls }: Target): readonly (readonly ['sslmode' | 'sslrootcert', string])[] {
  if (tls.mode !== 'verify-full') return [['sslmode', tls.mode]];
  return [
    ['sslmode', tls.mode],
    ['sslrootcert', tls.rootCert],
  ];
}

/** All parameters as libpq calls them. */
export function libpqParameters(target: Target): Parameters {
  const { host, port, database, user, needsPassword } = target;
  return [
    ['host', host],
    ['port', port],
    ['dbname', database],
    ['user', user],
    ...(needsPassword ? [['password', PASSWORD] as const] : []),
    ...tlsParameters(target),
  ];
}

/** `host:port`, with brackets where they belong. */
export function hostAndPort({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
