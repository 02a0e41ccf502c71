import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, loadConfig, type RawFlags, type ServerConfig } from '../../../src/config/load.ts';
import { UsageError } from '../../../src/errors.ts';

/** The one server that there is. */
function load(
  flags: RawFlags = {},
  env: NodeJS.ProcessEnv = {},
  servers = ['myserver'],
): ServerConfig & Pick<Config, 'warnings'> {
  const config = loadConfig(servers, flags, env);
  const [server = assert.fail('no server'), ...others] = config.servers;
  assert.deepEqual(others, []);
  return { ...server, warnings: config.warnings };
}

/** Every problem found. */
function problemsOf(flags: RawFlags, env: NodeJS.ProcessEnv = {}, servers = ['myserver']): readonly string[] {
  try {
    load(flags, env, servers);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems;
  }
  return assert.fail('no problem was found');
}

test('a server is all that must be given', () => {
  const { server, settings, given, warnings } = load();
  assert.equal(server.host, 'myserver.postgres.database.azure.com');
  assert.equal(settings.port, 6432);
  assert.equal(settings.address, '127.0.0.1');
  assert.equal(settings['login-timeout'], 60_000);
  assert.equal(settings.ca, 'bundled');
  assert.equal(settings['fail-fast'], false);
  assert.equal(settings.database, undefined);
  assert.deepEqual([...given.keys()], ['port']);
  assert.deepEqual(warnings, []);
});

test('a flag goes before the environment, the environment before the default', () => {
  const env = { PGEP_PORT: '7000', PGEP_LOGIN_TIMEOUT: '5s', PGEP_FAIL_FAST: 'true' };
  const { settings, given } = load({ port: '8000', database: 'app' }, env);
  assert.equal(settings.port, 8000);
  assert.equal(settings['login-timeout'], 5_000);
  assert.equal(settings['fail-fast'], true);
  assert.equal(settings.database, 'app');
  assert.equal(settings.address, '127.0.0.1');
  assert.deepEqual([...given.keys()].toSorted(), ['database', 'fail-fast', 'login-timeout', 'port']);
});

test('switches come from a command line parser as booleans', () => {
  assert.equal(load({ 'fail-fast': true }).settings['fail-fast'], true);
  assert.equal(load({ 'fail-fast': false }, { PGEP_FAIL_FAST: 'true' }).settings['fail-fast'], false);
});

test('every problem is told at once, each with where it comes from', () => {
  const flags = { port: 'many', address: 'my.host', 'tls-min': '1.0', 'not-a-flag': 'x', q: true };
  const env = { PGEP_CONNECT_TIMEOUT: 'soon', PGEP_PORT: 'unused' };
  const problems = problemsOf(flags, env, ['postgres://x', 'second']);
  const expected = [
    /^--not-a-flag is not a flag/,
    /^-q is not a flag/,
    /^--address takes an IP address or localhost, not "my.host"/,
    /^--port takes a whole number from 0 to 65535, not "many"/,
    /^--tls-min takes one of/,
    /^PGEP_CONNECT_TIMEOUT takes a duration/,
    /"postgres:\/\/x" is a URL/,
  ];
  assert.equal(problems.length, expected.length, problems.join('\n'));
  for (const pattern of expected)
    assert.ok(
      problems.some((one) => pattern.test(one)),
      String(pattern),
    );
});

test('no server is a problem of its own', () => {
  assert.deepEqual(problemsOf({}, {}, []), ['which server? Give its name: pg-entra-proxy myserver']);
});

test('a flag given twice is refused', () => {
  assert.deepEqual(problemsOf({ port: ['1', '2'] }), ['--port is given more than once']);
});

test('an empty variable of the environment is refused as an empty flag is', () => {
  assert.match(problemsOf({}, { PGEP_PORT: '' })[0] ?? '', /^PGEP_PORT takes a whole number/);
  assert.match(problemsOf({ user: '' })[0] ?? '', /^--user needs a value/);
});

test('credentials that need a setting of their own refuse to do without', () => {
  for (const credential of ['token-file', 'token-command']) {
    assert.deepEqual(problemsOf({ credential }), [`--credential ${credential} needs --${credential}`]);
  }
  const { settings } = load({ credential: 'token-file', 'token-file': '/run/token' });
  assert.equal(settings['token-file'], '/run/token');
});

test('a setting that the chosen credential does not look at is refused, from wherever it comes', () => {
  const useless: [string, string][] = [
    ['client-id', 'environment'],
    ['tenant-id', 'managed-identity'],
    ['token-file', 'default'],
    ['token-command', 'azure-cli'],
    ['authority-host', 'managed-identity'],
    ['disable-instance-discovery', 'azure-cli'],
  ];
  const values: Readonly<Record<string, string>> = {
    'authority-host': 'https://login.example',
    'disable-instance-discovery': 'true',
  };
  for (const [name, credential] of useless) {
    const value = values[name] ?? 'x';
    const pattern = new RegExp(`^--${name} does nothing with --credential ${credential}`);
    const problems = problemsOf({ credential, [name]: value });
    assert.match(problems.join('\n'), pattern);
    assert.equal(problems.length, 1);
    const variable = `PGEP_${name.toUpperCase().replaceAll('-', '_')}`;
    assert.match(
      problemsOf({ credential }, { [variable]: value }).join('\n'),
      new RegExp(`^${variable} does nothing with --credential ${credential}`),
    );
  }
  const scoped = { credential: 'token-file', 'token-file': 'x', scope: 'api://x/.default' };
  assert.match(problemsOf(scoped).join('\n'), /^--scope does nothing with --credential token-file/);
});

test('settings that the chosen credential looks at are taken', () => {
  const flags = { credential: 'workload-identity', 'client-id': 'a', 'tenant-id': 'b', scope: 'c' };
  const { settings } = load({ ...flags, 'authority-host': 'https://login.example' });
  assert.equal(settings['client-id'], 'a');
  assert.equal(settings['tenant-id'], 'b');
});

test("the server's port may be given in either place, not in both with two values", () => {
  assert.equal(load({}, {}, ['myserver:6433']).server.port, 6433);
  assert.equal(load({ 'upstream-port': '6433' }).settings['upstream-port'], 6433);
  assert.doesNotThrow(() => load({ 'upstream-port': '6433' }, {}, ['myserver:6433']));
  const problems = problemsOf({ 'upstream-port': '6434' }, {}, ['myserver:6433']);
  assert.deepEqual(problems, ["the server's port is given twice: :6433 and --upstream-port 6434"]);
});

test('a variable that only looks like a setting is warned about, others are not looked at', () => {
  const { warnings } = load(
    {},
    { PGEP_PROT: '1', PGEP_: 'x', PG_ENTRA_PROXY_PORT: 'tcp://10.0.0.1:5432', PGPORT: 'x' },
  );
  assert.deepEqual(warnings, [
    'the environment variable PGEP_PROT is not a setting of pg-entra-proxy; did you mean PGEP_PORT?',
    'the environment variable PGEP_ is not a setting of pg-entra-proxy',
  ]);
});

test('a problem with a part of the server says that it is the server', () => {
  for (const server of ['ho st', 'host:0', 'host:99999']) {
    assert.match(problemsOf({}, {}, [server])[0] ?? '', /server/, server);
  }
});

test('--cloud completes a short name, and sets what tokens are asked for and where', () => {
  for (const [cloud, host, scope, authorityHost] of [
    [
      'public',
      'myserver.postgres.database.azure.com',
      'https://ossrdbms-aad.database.windows.net/.default',
      undefined,
    ],
    [
      'usgov',
      'myserver.postgres.database.usgovcloudapi.net',
      'https://ossrdbms-aad.database.usgovcloudapi.net/.default',
      'https://login.microsoftonline.us',
    ],
    [
      'china',
      'myserver.postgres.database.chinacloudapi.cn',
      'https://ossrdbms-aad.database.chinacloudapi.cn/.default',
      'https://login.chinacloudapi.cn',
    ],
  ] as const) {
    const config = load({ cloud });
    assert.equal(config.server.host, host);
    assert.equal(config.cloud.scope, scope);
    assert.equal(config.cloud.authorityHost, authorityHost);
  }
});

test('a cloud that does not exist is told with the ones that do, and with everything else', () => {
  assert.throws(
    () => loadConfig(['ho st'], { cloud: 'mars' }, {}),
    (error) => {
      assert.ok(error instanceof UsageError);
      assert.equal(error.problems.length, 2);
      assert.match(error.problems[0] ?? '', /--cloud takes one of public, usgov, china, not "mars"/);
      return true;
    },
  );
});
