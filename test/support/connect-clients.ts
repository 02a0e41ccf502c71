import { globSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AskingClient, oneByOne, run, tryOut } from './asking-client.ts';
import { NODE, PHP, PYTHON, RUBY } from './asking-scripts.ts';
import { missing } from './clients.ts';
import { PASSWORD, WHO } from './connect.ts';
import { JAR, missingPgjdbc } from './pgjdbc.ts';

const LIBPQ: readonly AskingClient[] = [
  oneByOne('psql', missing('psql'), (text) =>
    run('sh', ['-c', `${text} -wXAtc "$SQL"`], { SQL: WHO, PGPASSWORD: PASSWORD }),
  ),
  ...['url', 'libpq'].map((name) =>
    oneByOne(name, missing('psql'), (text) => run('psql', ['-wXAtc', WHO, text])),
  ),
  oneByOne('env', missing('psql'), (text) => run('sh', ['-c', `${text}\npsql -wXAtc "$SQL"`], { SQL: WHO })),
  oneByOne('airflow', missing('psql'), (text) =>
    run('sh', ['-c', `${text}\npsql -wXAtc "$SQL" "$AIRFLOW_CONN_TEST"`], { SQL: WHO }),
  ),
];

const JDBC: AskingClient = {
  name: 'jdbc',
  skip: missingPgjdbc(),
  ask: async (texts) => {
    const source = fileURLToPath(new URL('Ask.java', import.meta.url));
    const options = ['-Dsun.jnu.encoding=UTF-8', '-Dfile.encoding=UTF-8', '-XX:TieredStopAtLevel=1'];
    return (await run('java', [...options, '-cp', JAR ?? '', source, WHO, ...texts])).split('\n');
  },
};

const ODBC: AskingClient = oneByOne('odbc', missingOdbc(), async (text, directory) => {
  const place = await mkdtemp(join(directory, 'odbc-'));
  const query = join(place, 'query');
  await writeFile(query, `${WHO}\n`);
  const env = { TEXT: text, HOME: place };
  const table = await run('sh', ['-c', `isql -b -v -k "$TEXT" < '${query}'`], env);
  // A head, and between lines of dashes the only row.
  const [, , , row = ''] = table.split('\n');
  return row.replace(/^\| | +\|$/g, '');
});

function missingOdbc(): string | false {
  const drivers = tryOut('odbcinst', ['-q', '-d']);
  if (drivers === undefined) return 'unixODBC is not installed, or has no driver';
  return drivers.includes('PostgreSQL Unicode') ? false : 'psqlodbc is not installed';
}

/** The newest version of a module that this machine has without asking anybody. */
function goVersion(module: string): string | undefined {
  const cache = process.env['GOMODCACHE'] ?? join(homedir(), 'go/pkg/mod');
  const versions = globSync(join(cache, 'cache/download', module, '@v/v*.zip')).map((path) =>
    basename(path, '.zip'),
  );
  return versions.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
}

/** All texts in one program, because building one takes its time. */
function go(name: string, module: string, imports: string, perText: (text: string) => string): AskingClient {
  const version = goVersion(module);
  const skip =
    tryOut('go', ['version']) === undefined
      ? 'Go is not installed'
      : version === undefined && `there is no ${module}`;
  return {
    name,
    skip,
    ask: async (texts, directory) => {
      const place = await mkdtemp(join(directory, 'go-'));
      await writeFile(join(place, 'go.mod'), `module ask\n\ngo 1.21\n\nrequire ${module} ${version}\n`);
      const asks = texts.map((text) => `func() {\n${perText(text)}\n}()`).join('\n');
      const must = 'func must(err error) { if err != nil { panic(err) } }';
      const main = `func main() {\nctx, answer, query := context.Background(), "", os.Getenv("SQL")\n_ = ctx\n${asks}\n}`;
      await writeFile(join(place, 'main.go'), `package main\n${imports}\n${must}\n${main}\n`);
      const offline = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOSUMDB: 'off', GOTOOLCHAIN: 'local' };
      const out = await run('go', ['run', '.'], { SQL: WHO, HOME: homedir(), ...offline }, place);
      return out.split('\n');
    },
  };
}

const GO: readonly AskingClient[] = [
  go('pgx', 'github.com/jackc/pgx/v5', 'import ("context"; "fmt"; "os"; "github.com/jackc/pgx/v5")', (text) =>
    [text, 'must(err)', 'must(conn.QueryRow(ctx, query).Scan(&answer))', 'fmt.Println(answer)'].join('\n'),
  ),
  go(
    'lib/pq',
    'github.com/lib/pq',
    'import ("context"; "database/sql"; "fmt"; "os"; _ "github.com/lib/pq")',
    (text) => [text, 'must(err)', 'must(db.QueryRow(query).Scan(&answer))', 'fmt.Println(answer)'].join('\n'),
  ),
];

/** All that a machine can have without much ado. */
export const ASKING_CLIENTS: readonly AskingClient[] = [
  ...LIBPQ,
  JDBC,
  ...GO,
  ...PYTHON,
  RUBY,
  ...NODE,
  PHP,
  ODBC,
];
