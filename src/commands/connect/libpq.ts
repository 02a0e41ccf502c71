import type { Client } from './client.ts';
import { keywordValue, shellValue, shellWord, urlPart, urlQuery } from './quoting.ts';
import { hostAndPort, libpqParameters, PASSWORD, type Target, tlsParameters } from './target.ts';

const ASKS = 'psql asks for the password, unless PGPASSWORD or ~/.pgpass has it.';

const ENCODE = 'What is special in a URL must be percent-encoded in the password.';

/** libpq itself, and what takes its two kinds of connection string. */
export const LIBPQ_CLIENTS: readonly Client[] = [
  {
    name: 'psql',
    title: 'psql',
    language: 'sh',
    text: (target) => {
      const parameters = libpqParameters(target).filter(([keyword]) => keyword !== 'password');
      return `psql ${shellWord(keywordValue(parameters))}`;
    },
    notes: ({ needsPassword }) => (needsPassword ? [ASKS] : []),
  },
  {
    name: 'url',
    aliases: ['uri', 'database-url'],
    title: 'URL',
    language: 'text',
    place: 'DATABASE_URL and the like',
    text: postgresUrl,
    notes: ({ needsPassword }) => (needsPassword ? [ENCODE] : []),
  },
  {
    name: 'libpq',
    aliases: ['dsn', 'keyword-value'],
    title: 'libpq keywords and values',
    language: 'text',
    text: (target) => keywordValue(libpqParameters(target)),
  },
  {
    name: 'env',
    aliases: ['environment', 'pg-variables'],
    title: 'PG* variables',
    language: 'sh',
    place: 'a shell: for psql, pg_dump and all that use libpq',
    text: (target) =>
      libpqParameters(target)
        .map(([keyword, value]) => `export ${VARIABLES[keyword]}=${shellValue(String(value))}`)
        .join('\n'),
  },
];

const VARIABLES: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
};

/**
 * The directory of a Unix socket goes into the query: there libpq, pgx, pg and SQLAlchemy find it.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function postgresUrl(target: Target): string {
  const { host, port, socket, database } = target;
  const where = socket === undefined ? hostAndPort(target) : '';
  const place = socket === undefined ? [] : ([['host', host] as const, ['port', port] as const] as const);
  const query = urlQuery([...place, ...tlsParameters(target)]);
  return `postgresql://${urlCredentials(target)}@${where}/${urlPart(database)}?${query}`;
}

/** `user`, or `user:password`. */
export function urlCredentials({ user, needsPassword }: Target): string {
  return `${urlPart(user)}${needsPassword ? `:${PASSWORD}` : ''}`;
}
