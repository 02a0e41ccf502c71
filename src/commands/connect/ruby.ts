import type { Client } from './client.ts';
import { doubleQuoted } from './quoting.ts';
import { PASSWORD, type Target, tlsParameters } from './target.ts';

export const RUBY_CLIENTS: readonly Client[] = [
  {
    name: 'rails',
    aliases: ['ruby', 'activerecord'],
    title: 'Ruby on Rails',
    language: 'yaml',
    place: 'config/database.yml',
    text: databaseYml,
    notes: () => ['DATABASE_URL wins over the file: unset it, or give it the URL of --for url.'],
  },
];

function databaseYml(target: Target): string {
  const { host, port, database, user, needsPassword } = target;
  return [
    'default: &default',
    '  adapter: postgresql',
    `  host: ${scalar(host)}`,
    `  port: ${port}`,
    `  database: ${scalar(database)}`,
    `  username: ${scalar(user)}`,
    ...(needsPassword ? [`  password: ${scalar(PASSWORD)}`] : []),
    ...tlsParameters(target).map(([name, value]) => `  ${name}: ${scalar(value)}`),
    '',
    'development:',
    '  <<: *default',
    '',
    'production:',
    '  <<: *default',
  ].join('\n');
}

/** The file is an ERB template first: `<%` begins Ruby code there. */
function scalar(text: string): string {
  return doubleQuoted(text).replaceAll('<%', '<%%');
}
