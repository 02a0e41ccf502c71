import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse as parseYaml } from 'yaml';
import { CLIENTS, findClients } from '../../../../src/commands/connect/clients.ts';
import { PASSWORD, type Target } from '../../../../src/commands/connect/target.ts';

/** Each means something to some shell, URL, template or language. */
const SPECIAL = [
  'a Z 0 true null \' " \\ ` $ $$ ${ #{ {{ {% {# <% <%% %> % %41 @ / : ; , = & ? # + ! | { } ~ * -'.split(
    ' ',
  ),
  [' ', '\n', '\t', '\u0085', '\u2028', '\ufeff', '\u007f', 'ü', '你', '🐘'],
].flat();

/** Names as PostgreSQL allows them: anything but a zero byte. */
const names = fc
  .array(
    fc.oneof(
      fc.constantFrom(...SPECIAL),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).filter((text) => !text.includes('\0')),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const TCP: Target = {
  server: 'myserver.postgres.database.azure.com',
  label: 'myserver',
  host: '127.0.0.1',
  port: 6432,
  socket: undefined,
  database: 'app',
  user: 'anyone',
  needsPassword: false,
  tls: { mode: 'disable' },
};

const targets: fc.Arbitrary<Target> = fc
  .record({ database: names, user: names, directory: names, rootCert: names, needsPassword: fc.boolean() })
  .chain(({ directory, rootCert, ...who }) =>
    fc.constantFrom<Target>(
      { ...TCP, ...who },
      { ...TCP, ...who, host: '::1' },
      { ...TCP, ...who, host: `/run/${directory}`, socket: `/run/${directory}/.s.PGSQL.6432` },
      { ...TCP, ...who, tls: { mode: 'require' } },
      { ...TCP, ...who, host: 'db.example', tls: { mode: 'verify-full', rootCert: `/etc/${rootCert}` } },
    ),
  );

function textOf(name: string, target: Target): string {
  const [client] = findClients(name);
  assert.ok(client, name);
  return client.text(target);
}

function forAll(check: (target: Target) => void): void {
  fc.assert(fc.property(targets, check), { numRuns: 300 });
}

/** What libpq makes of one word of a keyword/value string. */
function readKeywordValue(text: string): Record<string, string> {
  const pairs = text.matchAll(/(\w+)=(?:'((?:[^'\\]|\\[^])*)'|(\S*))(?:\s+|$)/g);
  return Object.fromEntries(
    [...pairs].map(([, keyword = '', quoted, plain = '']) => [
      keyword,
      (quoted ?? plain).replaceAll(/\\([^])/g, '$1'),
    ]),
  );
}

/** What a POSIX shell makes of a word. */
function readShellWord(text: string): string {
  if (/^"[^"$`\\!]*"$/.test(text)) return text.slice(1, -1);
  assert.match(text, /^(?:'[^']*'|\\'|[\w@+:,./-]+)*$/);
  return text.replaceAll(/'([^']*)'|\\(')/g, '$1$2');
}

/** What libpq should be told of a target. */
function libpq({ host, port, database, user, needsPassword, tls }: Target): Record<string, string> {
  return {
    host,
    port: String(port),
    dbname: database,
    user,
    ...(needsPassword ? { password: PASSWORD } : {}),
    sslmode: tls.mode,
    ...(tls.mode === 'verify-full' ? { sslrootcert: tls.rootCert } : {}),
  };
}

test('keyword/value strings hold every name, also as a word of a shell', () => {
  forAll((target) => {
    assert.deepEqual(readKeywordValue(textOf('libpq', target)), libpq(target));
    const word = textOf('psql', target).slice('psql '.length);
    const { password: _asked, ...rest } = libpq(target);
    assert.deepEqual(readKeywordValue(readShellWord(word)), rest);
  });
});

test('PG* variables hold every name', () => {
  forAll((target) => {
    const text = `${textOf('env', target)}\n`;
    const lines = [...text.matchAll(/export PG(\w+)=((?:'[^']*'|\\'|[^\n'\\])*)\n/g)];
    assert.equal(lines.map(([line]) => line).join(''), text);
    const { dbname = '', ...others } = libpq(target);
    const wanted = { ...others, database: dbname };
    const found = lines.map(([, name = '', word = '']) => [name.toLowerCase(), readShellWord(word)]);
    assert.deepEqual(Object.fromEntries(found), wanted);
  });
});

test('URLs hold every name, and nothing that a shell or a URL takes for something else', () => {
  forAll((target) => {
    const text = textOf('url', target);
    assert.match(text, /^postgresql:\/\/[\w.~:%-]+@[\w.:[\]]*\/[\w.~%-]+\?[\w.~%=&-]+$/);
    const url = new URL(text.replace('@/', '@socket/'));
    const query = Object.fromEntries(url.searchParams);
    const { host = url.hostname.replaceAll(/[[\]]/g, ''), port = url.port, ...tls } = query;
    const { pathname, username, password } = url;
    assert.deepEqual(
      {
        host,
        port,
        dbname: decodeURIComponent(pathname.slice(1)),
        user: decodeURIComponent(username),
        ...(password === '' ? {} : { password }),
        ...tls,
      },
      libpq(target),
    );
  });
});

test("JDBC's URLs hold every name", () => {
  forAll((target) => {
    if (target.socket !== undefined) return;
    const url = new URL(textOf('jdbc', target).replace('jdbc:', ''));
    const { gssEncMode, ...query } = Object.fromEntries(url.searchParams);
    const { host, port, dbname, ...rest } = libpq(target);
    assert.deepEqual([query, gssEncMode], [rest, 'disable']);
    assert.deepEqual(
      [url.hostname.replaceAll(/[[\]]/g, ''), url.port, decodeURIComponent(url.pathname.slice(1))],
      [host, port, dbname],
    );
  });
});

test("Npgsql's connection strings hold every name", () => {
  forAll((target) => {
    const pairs = textOf('npgsql', target).matchAll(/([\w ]+)=(?:"((?:[^"]|"")*)"|([^;"']*))(?:;|$)/g);
    const found = Object.fromEntries(
      [...pairs].map(([, keyword, quoted, plain = '']) => [keyword, quoted?.replaceAll('""', '"') ?? plain]),
    );
    const { host, port, dbname, user, password, sslmode, sslrootcert } = libpq(target);
    const modes: Record<string, string> = {
      disable: 'Disable',
      require: 'Require',
      'verify-full': 'VerifyFull',
    };
    assert.deepEqual(found, {
      Host: host,
      Port: port,
      Database: dbname,
      Username: user,
      ...(password === undefined ? {} : { Password: password }),
      'SSL Mode': modes[sslmode ?? ''],
      ...(sslmode === 'require' ? { 'Trust Server Certificate': 'true' } : {}),
      ...(sslrootcert === undefined ? {} : { 'Root Certificate': sslrootcert }),
    });
  });
});

test("Rails' YAML holds every name, behind ERB", () => {
  forAll((target) => {
    const text = textOf('rails', target);
    assert.doesNotMatch(text, /<%(?!%)/);
    const { development, production } = parseYaml(text.replaceAll('<%%', '<%'), {
      merge: true,
      version: '1.1',
    }) as Record<string, object>;
    const { dbname, user, port, ...rest } = libpq(target);
    const wanted = { adapter: 'postgresql', ...rest, port: Number(port), database: dbname, username: user };
    assert.deepEqual([development, production], [wanted, wanted]);
  });
});

test("dbt's YAML holds every name, behind Jinja", () => {
  forAll((target) => {
    const { myserver } = parseYaml(textOf('dbt', target), { version: '1.1' }) as {
      myserver: { target: string; outputs: { dev: Record<string, unknown> } };
    };
    const values = Object.entries(myserver.outputs.dev).map(([name, value]) => {
      if (typeof value !== 'string') return [name, value];
      const text = value.replaceAll("{{ '{' }}", '\u0000');
      assert.doesNotMatch(text, /\{[{%#]/);
      return [name, text.replaceAll('\u0000', '{')];
    });
    const { port, password = 'unused', ...rest } = libpq(target);
    assert.deepEqual(Object.fromEntries(values), {
      type: 'postgres',
      ...rest,
      port: Number(port),
      password,
      schema: 'public',
      threads: 4,
    });
  });
});

test("Grafana's YAML holds every name, behind its variables", () => {
  forAll((target) => {
    const text = textOf('grafana', target);
    assert.doesNotMatch(text.replaceAll('$$', ''), /\$/);
    const { apiVersion, datasources } = parseYaml(text.replaceAll('$$', '$'), { version: '1.1' }) as {
      apiVersion: number;
      datasources: unknown[];
    };
    const { host, dbname, user, password, sslmode, sslrootcert } = libpq(target);
    const at = host === '::1' ? '[::1]:6432' : `${host}:6432`;
    assert.equal(apiVersion, 1);
    assert.deepEqual(datasources, [
      {
        name: 'myserver',
        type: 'postgres',
        url: target.socket === undefined ? at : host,
        user,
        jsonData: {
          database: dbname,
          sslmode,
          ...(sslrootcert === undefined
            ? {}
            : { tlsConfigurationMethod: 'file-path', sslRootCertFile: sslrootcert }),
        },
        ...(password === undefined ? {} : { secureJsonData: { password } }),
      },
    ]);
  });
});

test("pgAdmin's and Power BI's JSON hold every name", () => {
  forAll((target) => {
    const { host, port, dbname, user, sslmode, sslrootcert } = libpq(target);
    const tls = sslrootcert === undefined ? { sslmode } : { sslmode, sslrootcert };
    assert.deepEqual(JSON.parse(textOf('pgadmin', target)), {
      Servers: {
        1: {
          Name: target.server,
          Group: 'Servers',
          Host: host,
          Port: Number(port),
          MaintenanceDB: dbname,
          Username: user,
          ConnectionParameters: tls,
        },
      },
    });
    const [connection] = (JSON.parse(textOf('power-bi', target)) as { connections: { details: object }[] })
      .connections;
    assert.deepEqual(connection?.details, {
      protocol: 'postgresql',
      address: { server: host === '::1' ? '[::1]:6432' : `${host}:6432`, database: dbname },
    });
  });
});

test("Elixir's strings hold every name, and no code", () => {
  forAll((target) => {
    for (const name of ['ecto', 'postgrex']) {
      const text = textOf(name, target);
      assert.doesNotMatch(text, /(?<!\\)#\{/);
      const fields = text.matchAll(/(\w+): ("(?:[^"\\]|\\.)*")/g);
      const found = Object.fromEntries(
        [...fields].map(([, field, literal = '']) => [
          field,
          JSON.parse(literal.replaceAll(String.raw`\#{`, '#{')),
        ]),
      );
      const { host, dbname, user, password, sslrootcert } = libpq(target);
      assert.deepEqual(found, {
        [target.socket === undefined ? 'hostname' : 'socket_dir']: host,
        database: dbname,
        username: user,
        ...(password === undefined ? {} : { password }),
        ...(sslrootcert === undefined ? {} : { cacertfile: sslrootcert }),
      });
      assert.match(text, /\bport: 6432\b/);
    }
  });
});

test('code and configuration have no character that a YAML reader refuses, whatever is in the names', () => {
  const unprintable = /(?!\n)\p{Cc}|[\u2028\u2029\ufeff\ufffe\uffff]/u;
  forAll((target) => {
    for (const { name, language, text } of CLIENTS)
      if (['yaml', 'python', 'js', 'go', 'elixir'].includes(language))
        assert.doesNotMatch(text(target), unprintable, name);
  });
});

test('PDO gets what has a semicolon from the environment, and nothing else', () => {
  const pdo = (database: string): string => textOf('pdo', { ...TCP, database });
  assert.equal(
    pdo("it's"),
    String.raw`$pdo = new PDO(
    'pgsql:host=127.0.0.1;port=6432;dbname=\'it\\\'s\';sslmode=disable',
    'anyone'
);`,
  );
  assert.equal(
    pdo("a;'b"),
    String.raw`putenv('PGDATABASE=a;\'b');
$pdo = new PDO(
    'pgsql:host=127.0.0.1;port=6432;sslmode=disable',
    'anyone'
);`,
  );
});
