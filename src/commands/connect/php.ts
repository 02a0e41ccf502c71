import type { Client } from './client.ts';
import { keywordValueQuoted, phpString } from './quoting.ts';
import { PASSWORD, type Target, tlsParameters } from './target.ts';

export const PHP_CLIENTS: readonly Client[] = [
  {
    name: 'pdo',
    aliases: ['php', 'php-pdo', 'laravel'],
    title: 'PHP: PDO',
    language: 'php',
    text: pdo,
  },
];

/** PDO makes a space of every `;` in its DSN, quoted or not: libpq finds such names in the environment. */
function pdo(target: Target): string {
  const { host, port, database, user, needsPassword } = target;
  const parameters = [
    ['host', host, 'PGHOST'],
    ['port', String(port), 'PGPORT'],
    ['dbname', database, 'PGDATABASE'],
    ...tlsParameters(target).map(([name, value]) => [name, value, `PG${name.toUpperCase()}`] as const),
  ] as const;
  const fits = (value: string): boolean => !value.includes(';');
  const outside = parameters.filter(([, value]) => !fits(value));
  const dsn = parameters
    .filter(([, value]) => fits(value))
    .map(([name, value]) => `${name}=${keywordValueQuoted(value)}`);
  const lines = [`pgsql:${dsn.join(';')}`, user, ...(needsPassword ? [PASSWORD] : [])];
  return [
    ...outside.map(([, value, variable]) => `putenv(${phpString(`${variable}=${value}`)});`),
    `$pdo = new PDO(\n${lines.map((line) => `    ${phpString(line)}`).join(',\n')}\n);`,
  ].join('\n');
}
