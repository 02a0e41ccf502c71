import type { Client } from './client.ts';
import { doubleQuoted, keywordValue } from './quoting.ts';
import { libpqParameters, type Target } from './target.ts';

const REQUIRES_TLS = 'Without sslmode lib/pq insists on TLS.';

export const GO_CLIENTS: readonly Client[] = [
  {
    name: 'pgx',
    aliases: ['go', 'golang', 'go-pgx', 'gorm'],
    title: 'Go: pgx',
    language: 'go',
    text: (target) => `conn, err := pgx.Connect(ctx, ${dsn(target)})`,
    notes: () => ['The string does for pgxpool.New and for GORM as well.'],
  },
  {
    name: 'lib/pq',
    aliases: ['go', 'golang', 'go-pq', 'lib-pq', 'pq'],
    title: 'Go: lib/pq',
    language: 'go',
    text: (target) => `db, err := sql.Open("postgres", ${dsn(target)})`,
    notes: ({ tls }) => (tls.mode === 'disable' ? [REQUIRES_TLS] : []),
  },
];

function dsn(target: Target): string {
  return doubleQuoted(keywordValue(libpqParameters(target)));
}
