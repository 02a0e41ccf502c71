import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { fileJsonSchema, NOT_IN_FILES } from '../../../src/config/file-schema.ts';
import { type Config, loadConfig, type RawFlags, type ServerConfig } from '../../../src/config/load.ts';
import { SETTING_NAMES } from '../../../src/config/settings.ts';
import { UsageError } from '../../../src/errors.ts';
import { temporaryDirectory } from '../tokens.ts';

interface Sources {
  readonly servers?: readonly string[];
  readonly flags?: RawFlags;
  readonly env?: NodeJS.ProcessEnv;
}

async function load(yaml: string, { servers = [], flags = {}, env = {} }: Sources = {}): Promise<Config> {
  await using directory = await temporaryDirectory();
  const config = join(directory.path, 'proxy.yaml');
  await writeFile(config, yaml);
  return loadConfig(servers, { config, ...flags }, env);
}

/** Every problem, less the directory of the file. */
async function problemsOf(yaml: string, sources?: Sources): Promise<readonly string[]> {
  try {
    await load(yaml, sources);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.problems.map((problem) => problem.replaceAll(/\S*\/(?=proxy\.yaml)/g, ''));
  }
  return assert.fail('no problem was found');
}

function only({ servers }: Config): ServerConfig {
  const [server = assert.fail('no server'), ...others] = servers;
  assert.deepEqual(others, []);
  return server;
}

test('a file says what flags say', async () => {
  const config = await load(`
server: myserver:6433
port: 7000
tls-min: 1.3
login-timeout: 5s
fail-fast: true
log-level: debug
user: 00123 # not 123: a name is taken as it is written
`);
  const { server, settings } = only(config);
  assert.deepEqual(server, { host: 'myserver.postgres.database.azure.com', port: 6433 });
  assert.equal(settings.port, 7000);
  assert.equal(settings['tls-min'], '1.3');
  assert.equal(settings['login-timeout'], 5_000);
  assert.equal(settings.user, '00123');
  assert.equal(config.settings['fail-fast'], true);
  assert.equal(config.settings['log-level'], 'debug');
});

test('a flag goes before the environment, the environment before the file', async () => {
  const yaml = 'server: myserver\nuser: file\ndatabase: file\nmax-sessions: 1';
  const flags = { user: 'flag' };
  const env = { PGEP_USER: 'environment', PGEP_DATABASE: 'environment' };
  const { settings } = only(await load(yaml, { flags, env }));
  assert.deepEqual([settings.user, settings.database, settings['max-sessions']], ['flag', 'environment', 1]);
});

test('the environment can name the file', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'proxy.yaml');
  await writeFile(path, 'server: myserver');
  assert.equal(only(loadConfig([], {}, { PGEP_CONFIG: path })).settings.port, 6432);
});

test('each server of a list has what is said of it, and else what is said at the top', async () => {
  const { servers } = await load(`
user: everyone
servers:
  - server: one
  - server: two
    user: second
    max-sessions: 5
  - server: three
    port: 9000
  - server: four
`);
  assert.deepEqual(
    servers.map(({ server, settings }) => [server.host.split('.')[0], settings.port, settings.user]),
    [
      ['one', 6432, 'everyone'],
      ['two', 6433, 'second'],
      ['three', 9000, 'everyone'],
      ['four', 6434, 'everyone'],
    ],
  );
  assert.deepEqual(
    servers.map(({ settings }) => settings['max-sessions']),
    [1_000, 5, 1_000, 1_000],
  );
});

test('a flag goes before what the file says of one server; ports count up from it', async () => {
  const yaml = 'servers: [{ server: one, user: a, port: 1 }, { server: two, user: b, port: 2 }]';
  const { servers } = await load(yaml, { flags: { user: 'flag', port: '7000' } });
  assert.deepEqual(
    servers.map(({ settings }) => [settings.user, settings.port]),
    [
      ['flag', 7_000],
      ['flag', 7_001],
    ],
  );
});

test('several servers on the command line have settings of their own, which go before flags', async () => {
  const servers = ['one', 'two?user=second%20role&port=9000', 'three:6433?fail-fast', 'four'];
  assert.throws(() => loadConfig(servers, {}, {}), /three:6433\?fail-fast is a setting of the whole program/);
  const config = loadConfig([...servers.slice(0, 2), 'three:6433'], { user: 'flag' }, {});
  assert.deepEqual(
    config.servers.map(({ server, settings }) => [server.port, settings.port, settings.user]),
    [
      [undefined, 6_432, 'flag'],
      [undefined, 9_000, 'second role'],
      [6_433, 6_433, 'flag'],
    ],
  );
});

test("a server's query is looked at as closely as flags are", () => {
  assert.throws(
    () => loadConfig(['one?prot=1&port=x&port=2&client-users=x'], {}, {}),
    (error) => {
      assert.ok(error instanceof UsageError);
      assert.deepEqual(error.problems, [
        'one?prot is not a setting of pg-entra-proxy; did you mean "port"?',
        'one?port is given more than once',
        'one?client-users is not a setting of pg-entra-proxy',
        'one?port takes a whole number from 0 to 65535, not "x"',
      ]);
      return true;
    },
  );
});

test('port 0 gives each server any free one', async () => {
  const { servers } = await load('port: 0\nservers: [{ server: one }, { server: two }]');
  assert.deepEqual(
    servers.map(({ settings }) => settings.port),
    [0, 0],
  );
});

test('there are only so many ports to count up to', async () => {
  const yaml = 'port: 65535\nservers: [{ server: one }, { server: two }]';
  assert.deepEqual(await problemsOf(yaml), ['two: no port is left from 65535 on']);
});

test('everything that is wrong is told at once, with its line and column', async () => {
  const problems = await problemsOf(`
server: ho st
prot: 6432
port: many
credential: [default]
client-users:
  report: { role: x, port: 1 }
  legacy: { pass-through: maybe }
servers: none
`);
  const expected = [
    'proxy.yaml:2:9 server takes a host name or IP address, not "ho st"',
    'proxy.yaml:3:1 prot is not a setting of pg-entra-proxy; did you mean "port"?',
    'proxy.yaml:4:7 port takes a whole number from 0 to 65535, not "many"',
    'proxy.yaml:5:13 credential takes text, a number, or true or false',
    'proxy.yaml:7:13 client-users.report.role is not a setting of pg-entra-proxy',
    'proxy.yaml:7:22 client-users.report.port is not a setting of a client user, but of a server',
    'proxy.yaml:8:27 client-users.legacy.pass-through takes true or false',
    'proxy.yaml:9:10 servers does not go together with server: put that one into the list',
    'proxy.yaml:9:10 servers takes a list',
  ];
  const missed = expected.filter((problem) => !problems.includes(problem));
  assert.deepEqual(missed, [], problems.join('\n'));
});

test('settings are refused where they say nothing', async () => {
  const problems = await problemsOf(
    'config: other.yaml\nservers: [{ server: one, log-level: debug }, { port: 1 }]',
  );
  for (const problem of [
    'proxy.yaml:1:1 config is for flags and the environment',
    'proxy.yaml:2:26 servers[1].log-level is a setting of the whole program: put it at the top',
    'proxy.yaml:2:46 servers[2].server takes a name, or name:port',
  ]) {
    assert.ok(problems.includes(problem), problems.join('\n'));
  }
});

test('servers come from one place', async () => {
  const problems = await problemsOf('server: one', { servers: ['two'] });
  assert.match(problems[0] ?? '', /^servers are given on the command line and in proxy.yaml/);
  const { servers } = await load('user: x\nclient-users: { a: { user: b } }', { servers: ['two'] });
  assert.equal(servers[0]?.settings.user, 'x');
  assert.ok(servers[0]?.clientUsers.has('a'));
});

for (const [what, yaml, problem] of [
  ['is cut off', 'server: [x', /^proxy\.yaml:1:\d+ /],
  ['says a thing twice', 'server: x\nuser: a\nuser: b', /^proxy\.yaml:3:1 Map keys must be unique/],
  ['is only text', 'myserver', /^proxy\.yaml:1:1 takes settings/],
  ['has keys that are none', '? [a]\n: b', /^proxy\.yaml:1:3 .*keys must be strings/],
  ['names an anchor that is not there', 'server: *a', /^proxy\.yaml:1:1 Unresolved alias/],
  ['multiplies itself', bomb(), /^proxy\.yaml:1:1 Excessive alias count/],
  ['is huge', `# ${'x'.repeat(1_048_577)}`, /proxy\.yaml is longer than/],
  ['is empty', '', /^which server\?/],
] as const) {
  test(`a file that ${what} is refused`, async () => {
    assert.match((await problemsOf(yaml))[0] ?? '', problem);
  });
}

function bomb(): string {
  const levels = Array.from({ length: 12 }, (_, level) => {
    const of = level === 0 ? '{ user: x }' : `[${`*a${level - 1}, `.repeat(9)}]`;
    return `a${level}: &a${level} ${of}`;
  });
  return levels.join('\n');
}

test('a file that is not there is refused', () => {
  const problem = /--config \/no\/such\.yaml cannot be read \(ENOENT\)/;
  assert.throws(() => loadConfig([], { config: '/no/such.yaml' }, {}), problem);
});

test('what a merge key brings in counts as if it were written there', async () => {
  const { servers } = await load(`
servers:
  - &one { server: one, user: shared, max-sessions: 7 }
  - { <<: *one, server: two }
`);
  assert.deepEqual(
    servers.map(({ settings }) => [settings.user, settings['max-sessions']]),
    [
      ['shared', 7],
      ['shared', 7],
    ],
  );
});

test('a client user has the identity of its server, unless it is given another', async () => {
  const config = await load(`
server: myserver
user: main
credential: managed-identity
client-id: main-id
client-users:
  report: { user: Reporting Group }
  app: { client-id: app-id }
  batch: { resource-id: /subscriptions/x, user: Batch }
  laptop: { credential: azure-cli, tenant-id: contoso }
  legacy: { pass-through: true }
`);
  const shown = [...only(config).clientUsers].map(([name, user]) => {
    if (user.kind === 'passThrough') return [name, 'passThrough'];
    const { settings } = user;
    return [name, settings.user, settings.credential, settings['client-id'] ?? settings['resource-id']];
  });
  assert.deepEqual(shown, [
    ['report', 'Reporting Group', 'managed-identity', 'main-id'],
    ['app', 'auto', 'managed-identity', 'app-id'],
    ['batch', 'Batch', 'managed-identity', '/subscriptions/x'],
    ['laptop', 'auto', 'azure-cli', undefined],
    ['legacy', 'passThrough'],
  ]);
});

test("a server's client users are its own, and those of the top", async () => {
  const { servers } = await load(`
client-users: { all: { user: a }, both: { user: top } }
servers:
  - server: one
    client-users: { both: { user: own }, only: { pass-through: true } }
  - server: two
`);
  const roles = servers.map(({ clientUsers }) =>
    [...clientUsers].map(([name, user]) => `${name} ${user.kind === 'identity' ? user.settings.user : ''}`),
  );
  assert.deepEqual(roles, [
    ['all a', 'both own', 'only '],
    ['all a', 'both top'],
  ]);
});

test('a client user that contradicts itself, or says nothing, is refused', async () => {
  const problems = await problemsOf(`
server: myserver
client-users:
  a: {}
  b: { pass-through: true, user: x }
  c: { credential: token-file }
  d: { client-id: x, object-id: y, credential: managed-identity }
  e: { credential: azure-cli, client-id: x }
`);
  const expected = [
    /^proxy\.yaml:4:6 client-users\.a says nothing/,
    /^proxy\.yaml:5:6 client-users\.b is passed through: its other settings do nothing/,
    /^proxy\.yaml:6:6 client-users\.c: --credential token-file needs --token-file/,
    /^proxy\.yaml:7:6 client-users\.d: --client-id and --object-id name the same identity/,
    /^proxy\.yaml:8:6 client-users\.e: proxy\.yaml:8:42 client-users\.e\.client-id does nothing with/,
  ];
  assert.equal(problems.length, expected.length, problems.join('\n'));
  for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
});

test('the JSON Schema takes what the program takes, and refuses what it refuses', () => {
  const isValid = new Ajv2020({ strict: false }).compile(fileJsonSchema());
  const users = { report: { user: 'x' }, legacy: { 'pass-through': true } };
  for (const good of [
    { server: 'myserver', port: 7000, 'tls-min': 1.3, 'login-timeout': '5s', 'client-users': users },
    {
      servers: [
        { server: 'one', 'client-users': users },
        { server: 'two', 'tls-min': '1.2' },
      ],
    },
  ]) {
    assert.ok(isValid(good), JSON.stringify(isValid.errors));
  }
  for (const bad of [
    { prot: 1 },
    { port: 70_000 },
    { port: 'many' },
    { 'login-timeout': '5 seconds' },
    { credential: 'none' },
    { servers: [{ port: 1 }] },
    { servers: [{ server: 'x', 'log-level': 'debug' }] },
    { 'client-users': { a: { port: 1 } } },
  ]) {
    assert.ok(!isValid(bad), JSON.stringify(bad));
  }
  const { properties } = fileJsonSchema() as { properties: Readonly<Record<string, object>> };
  for (const name of SETTING_NAMES.filter((one) => !NOT_IN_FILES.has(one))) {
    assert.ok('description' in (properties[name] ?? {}), name);
  }
});

test('a file of any content is taken or refused, and never more than that', async () => {
  const words = ['server', 'servers', 'client-users', 'pass-through', '__proto__', ...SETTING_NAMES];
  const key = fc.oneof(fc.constantFrom(...words), fc.string());
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, tie('leaf'), tie('map'), fc.array(tie('tree'))),
    leaf: fc.oneof(fc.constantFrom(true, 6432, 'myserver', null), fc.string(), fc.double()),
    map: fc.dictionary(key, tie('tree')),
  }));
  const file = fc.oneof(
    tree.map((value) => stringify(value)),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(file, async (yaml) => {
      const outcome = await load(yaml).catch((error: unknown) => error);
      assert.ok(outcome instanceof UsageError || (outcome as Config).servers.length > 0, String(outcome));
    }),
    { numRuns: 500 },
  );
});
