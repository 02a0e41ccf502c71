import type { Client } from './client.ts';
import { doubleQuoted } from './quoting.ts';
import { PASSWORD, type Target } from './target.ts';

export const NODE_CLIENTS: readonly Client[] = [
  {
    name: 'pg',
    aliases: ['node', 'nodejs', 'javascript', 'typescript', 'node-postgres', 'node-pg', 'knex', 'typeorm'],
    title: 'Node.js: pg',
    language: 'js',
    text: (target) => module(target, "import pg from 'pg';", 'const pool = new pg.Pool', 'user'),
  },
  {
    name: 'postgres.js',
    aliases: ['node', 'nodejs', 'javascript', 'typescript', 'postgres-js', 'postgresjs'],
    title: 'Node.js: postgres.js',
    language: 'js',
    text: (target) => module(target, "import postgres from 'postgres';", 'const sql = postgres', 'username'),
  },
];

function module(target: Target, load: string, create: string, user: 'user' | 'username'): string {
  const { host, port, database, needsPassword, tls } = target;
  const imports = tls.mode === 'verify-full' ? ["import { readFileSync } from 'node:fs';", load] : [load];
  return [
    ...imports,
    '',
    `${create}({`,
    `  host: ${doubleQuoted(host)},`,
    `  port: ${port},`,
    `  database: ${doubleQuoted(database)},`,
    `  ${user}: ${doubleQuoted(target.user)},`,
    ...(needsPassword ? [`  password: ${doubleQuoted(PASSWORD)},`] : []),
    `  ssl: ${ssl(target)},`,
    '});',
  ].join('\n');
}

function ssl({ tls }: Target): string {
  if (tls.mode === 'disable') return 'false';
  if (tls.mode === 'require') return '{ rejectUnauthorized: false }';
  return `{ ca: readFileSync(${doubleQuoted(tls.rootCert)}, 'utf8') }`;
}
