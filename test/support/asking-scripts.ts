import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AskingClient, oneByOne, run, tryOut } from './asking-client.ts';
import { missing } from './clients.ts';
import { WHO } from './connect.ts';

/** The first Python that has all of these. */
function pythonWith(...modules: readonly string[]): string | undefined {
  const script = modules.map((name) => `import ${name}`).join('\n');
  return ['python3', '/usr/bin/python3'].find((name) => tryOut(name, ['-c', script]) !== undefined);
}

function python(name: string, modules: readonly string[], script: (text: string) => string): AskingClient {
  const interpreter = pythonWith(...modules);
  const skip = interpreter === undefined && `there is no Python with ${modules.join(' and ')}`;
  return oneByOne(name, skip, (text) => run(interpreter ?? '', ['-c', script(text)], { SQL: WHO }));
}

const FETCH = 'cursor = connection.cursor()\ncursor.execute(SQL)\nprint(cursor.fetchone()[0])';
const READ_SQL = 'import os\nSQL = os.environ["SQL"]';

export const PYTHON: readonly AskingClient[] = [
  ...['psycopg', 'psycopg2'].map((name) => python(name, [name], (text) => `${text}\n${READ_SQL}\n${FETCH}`)),
  python('sqlalchemy', ['sqlalchemy', 'psycopg2'], (text) =>
    [
      text,
      READ_SQL,
      'import sqlalchemy',
      'with engine.connect() as connection:',
      '    print(connection.execute(sqlalchemy.text(SQL)).scalar())',
    ].join('\n'),
  ),
  python('django', ['django', 'psycopg2'], (text) =>
    [
      text,
      READ_SQL,
      'import django.conf',
      'django.conf.settings.configure(DATABASES=DATABASES)',
      'from django.db import connection',
      FETCH,
    ].join('\n'),
  ),
  // As dbt reads its profiles: YAML, then each value a template.
  python('dbt', ['yaml', 'jinja2', 'psycopg2'], (text) =>
    [
      `profiles = ${JSON.stringify(text)}`,
      READ_SQL,
      'import jinja2, psycopg2, yaml',
      'profile = yaml.safe_load(profiles)["test"]["outputs"]["dev"]',
      'render = lambda value: jinja2.Template(value).render() if isinstance(value, str) else value',
      'names = ["host", "port", "dbname", "user", "password", "sslmode", "sslrootcert"]',
      'connection = psycopg2.connect(**{name: render(profile[name]) for name in names if name in profile})',
      FETCH,
    ].join('\n'),
  ),
];

function missingRuby(...gems: readonly string[]): string | false {
  if (missing('ruby')) return missing('ruby');
  const script = gems.map((gem) => `require "${gem}"`).join(';');
  return tryOut('ruby', ['-e', script]) !== undefined ? false : `Ruby has no ${gems.join(' and ')}`;
}

export const RUBY: AskingClient = oneByOne('rails', missingRuby('active_record', 'pg'), (text) => {
  const script = [
    'require "active_record"; require "erb"; require "yaml"',
    'config = YAML.load(ERB.new(ENV["TEXT"]).result, aliases: true)["production"]',
    'ActiveRecord::Base.establish_connection(config)',
    'puts ActiveRecord::Base.connection.select_value(ENV["SQL"])',
  ];
  return run('ruby', ['-e', script.join('\n')], { TEXT: text, SQL: WHO });
});

/** Where this project's packages are. */
const PACKAGES = fileURLToPath(new URL('../../', import.meta.resolve('postgres')));

/** Node.js with the packages of this project. */
function node(name: string, lines: readonly string[]): AskingClient {
  return oneByOne(name, false, async (text, directory) => {
    const place = await mkdtemp(join(directory, 'node-'));
    await symlink(PACKAGES, join(place, 'node_modules'));
    const module = join(place, 'ask.mjs');
    await writeFile(module, [text, ...lines].join('\n'));
    return run(process.execPath, [module], { SQL: WHO });
  });
}

export const NODE: readonly AskingClient[] = [
  node('pg', [
    'const { rows } = await pool.query({ text: process.env.SQL, rowMode: "array" });',
    'console.log(rows[0][0]);',
    'await pool.end();',
  ]),
  node('postgres.js', [
    'const rows = await sql.unsafe(process.env.SQL).values();',
    'console.log(rows[0][0]);',
    'await sql.end();',
  ]),
];

export const PHP: AskingClient = oneByOne('pdo', missingPdo(), (text) =>
  run('php', ['-r', `${text}\necho $pdo->query(getenv('SQL'))->fetchColumn();`], { SQL: WHO }),
);

function missingPdo(): string | false {
  const modules = tryOut('php', ['-m']);
  if (modules === undefined) return missing('php') || 'php -m fails';
  return /^pdo_pgsql$/m.test(modules) ? false : 'PHP has no pdo_pgsql';
}
