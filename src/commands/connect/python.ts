import type { Client } from './client.ts';
import { doubleQuoted } from './quoting.ts';
import { libpqParameters, PASSWORD, type Target, tlsParameters } from './target.ts';

export const PYTHON_CLIENTS: readonly Client[] = [
  psycopg('psycopg', ['python', 'psycopg3']),
  psycopg('psycopg2', ['python']),
  {
    name: 'sqlalchemy',
    aliases: ['python'],
    title: 'Python: SQLAlchemy',
    language: 'python',
    text: sqlAlchemy,
    notes: () => [
      'Each version has a driver of its own for "postgresql": "postgresql+psycopg" and "postgresql+psycopg2" name one.',
    ],
  },
  {
    name: 'django',
    aliases: ['python'],
    title: 'Python: Django',
    language: 'python',
    place: 'settings.py',
    text: django,
  },
];

function psycopg(name: 'psycopg' | 'psycopg2', aliases: readonly string[]): Client {
  return {
    name,
    aliases,
    title: `Python: ${name}`,
    language: 'python',
    text: (target) => {
      const parameters = libpqParameters(target).map(
        ([keyword, value]) => `    ${keyword}=${literal(value)},`,
      );
      return [`import ${name}`, '', `connection = ${name}.connect(`, ...parameters, ')'].join('\n');
    },
  };
}

/** URL.create takes names as they are; in a URL they would have to be encoded. */
function sqlAlchemy(target: Target): string {
  const { host, port, database, user, needsPassword } = target;
  return [
    'from sqlalchemy import create_engine',
    'from sqlalchemy.engine import URL',
    '',
    'engine = create_engine(URL.create(',
    '    "postgresql",',
    `    username=${literal(user)},`,
    ...(needsPassword ? [`    password=${literal(PASSWORD)},`] : []),
    `    host=${literal(host)},`,
    `    port=${port},`,
    `    database=${literal(database)},`,
    `    query=${dictionary(target)},`,
    '))',
  ].join('\n');
}

function django(target: Target): string {
  const { host, port, database, user, needsPassword } = target;
  return [
    'DATABASES = {',
    '    "default": {',
    '        "ENGINE": "django.db.backends.postgresql",',
    `        "HOST": ${literal(host)},`,
    `        "PORT": ${port},`,
    `        "NAME": ${literal(database)},`,
    `        "USER": ${literal(user)},`,
    ...(needsPassword ? [`        "PASSWORD": ${literal(PASSWORD)},`] : []),
    `        "OPTIONS": ${dictionary(target)},`,
    '    },',
    '}',
  ].join('\n');
}

function dictionary(target: Target): string {
  const entries = tlsParameters(target).map(([name, value]) => `${literal(name)}: ${literal(value)}`);
  return `{${entries.join(', ')}}`;
}

function literal(value: string | number): string {
  return typeof value === 'number' ? String(value) : doubleQuoted(value);
}
