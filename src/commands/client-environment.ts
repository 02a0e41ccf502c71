/** Where a command finds its private proxy, and who it is there. */
export interface ClientTarget {
  /** An address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Absent where none is asked for. */
  readonly password?: string | undefined;
}

/**
 * Variables that would keep libpq and its kin from the private proxy, or fail there: they were meant for
 * another server, or ask for what a hop that never leaves this machine does not have.
 *
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
const MISLEADING = [
  // Each of these wins over what is set here.
  'PGHOSTADDR',
  'PGSERVICE',
  // Another server's.
  'PGPASSWORD',
  // Contradict sslmode=disable, or what the proxy asks of the client.
  'PGREQUIRESSL',
  'PGSSLNEGOTIATION',
  'PGSSLROOTCERT',
  'PGCHANNELBINDING',
  'PGREQUIREAUTH',
];

/**
 * The environment of a command that shall use the private proxy.
 *
 * @param urlName - the variable that gets a URL too.
 */
export function clientEnvironment(
  env: NodeJS.ProcessEnv,
  target: ClientTarget,
  urlName?: string,
): NodeJS.ProcessEnv {
  const { host, port, user, database, password } = target;
  const others = Object.entries(env).filter(([name]) => !MISLEADING.includes(name));
  return {
    ...Object.fromEntries(others),
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    ...(password === undefined ? {} : { PGPASSWORD: password }),
    ...(urlName === undefined ? {} : { [urlName]: clientUrl(target) }),
  };
}

/**
 * The same as a URL. The directory of a Unix socket goes into the query, percent-encoded: there libpq, pg
 * (Node.js), pgx (Go) and SQLAlchemy find it, while as the URL's host Go refuses it.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function clientUrl({ host, port, user, database, password }: ClientTarget): string {
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const who = `${encodeURIComponent(user)}${secret}`;
  const what = encodeURIComponent(database);
  if (!host.startsWith('/')) return `postgresql://${who}@${host}:${port}/${what}?sslmode=disable`;
  return `postgresql://${who}@/${what}?host=${encodeURIComponent(host)}&port=${port}&sslmode=disable`;
}
