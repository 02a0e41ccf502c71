import { SqlState } from '../errors.ts';

const OURS: ReadonlySet<string> = new Set(Object.values(SqlState));

/**
 * The first two characters of every SQLSTATE that PostgreSQL has.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const CLASSES: ReadonlySet<string> = new Set(
  (
    '00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F ' +
    '34 38 39 3B 3D 3F 40 42 44 53 54 55 57 58 72 F0 HV P0 XX'
  ).split(' '),
);

/**
 * A SQLSTATE as a label, of which there is a bounded number whatever a server sends: the codes that the proxy
 * sends itself, the class (42704: `42000`) of all others, `other` for what is none, `none` where there was none.
 */
export function sqlStateLabel(sqlState: string | undefined): string {
  if (sqlState === undefined) return 'none';
  if (OURS.has(sqlState)) return sqlState;
  const sqlClass = sqlState.slice(0, 2);
  return sqlState.length === 5 && CLASSES.has(sqlClass) ? `${sqlClass}000` : 'other';
}
