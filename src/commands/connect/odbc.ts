import type { Client } from './client.ts';
import { keywordValue } from './quoting.ts';
import { PASSWORD, type Target } from './target.ts';

const BRACES = 'The password may stand in braces, with each } in it doubled; the names may not.';

const NO_SUCH_NAMES =
  'psqlodbc has no way to quote a ";" or blanks around a name in a connection string. Make a DSN in odbc.ini';

/** @see https://odbc.postgresql.org/docs/config-opt.html */
export const ODBC_CLIENTS: readonly Client[] = [
  {
    name: 'odbc',
    aliases: ['psqlodbc', 'excel'],
    title: 'ODBC',
    language: 'text',
    place: 'a connection string for psqlodbc',
    text: (target) =>
      parameters(target)
        .map(([keyword, value]) => `${keyword}=${value};`)
        .join(''),
    notes: ({ needsPassword }) => (needsPassword ? [BRACES] : []),
    refuses: (target) =>
      parameters(target).some(([, value]) => value.includes(';') || value.trim() !== value)
        ? NO_SUCH_NAMES
        : undefined,
  },
];

function parameters(target: Target): readonly (readonly [string, string])[] {
  const { host, port, database, user, needsPassword, tls } = target;
  const rootCert = tls.mode === 'verify-full' ? keywordValue([['sslrootcert', tls.rootCert]]) : undefined;
  return [
    ['Driver', '{PostgreSQL Unicode}'],
    ['Server', host],
    ['Port', String(port)],
    ['Database', database],
    ['Uid', user],
    ...(needsPassword ? [['Pwd', PASSWORD] as const] : []),
    ['SSLmode', tls.mode],
    ...(rootCert === undefined ? [] : [['pqopt', `{${rootCert}}`] as const]),
  ];
}
