import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { findFreePort } from '../../src/demo/loopback.ts';
import { startPostgres } from '../../src/demo/postgres.ts';
import { missing } from '../support/clients.ts';
import { COMPOSE_FILE, outside, readCompose } from '../support/compose.ts';
import { createTestFiles } from '../support/files.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

const compose = readCompose();

test('docker/compose.yml is as the Compose Specification wants it', () => {
  const schemas = join(dirname(fileURLToPath(import.meta.resolve('dclint/package.json'))), 'schemas');
  // Its address of draft 7 is not quite the one that ajv knows.
  const { $schema: _, ...schema } = JSON.parse(
    readFileSync(join(schemas, 'compose.schema.json'), 'utf8'),
  ) as Record<string, unknown>;
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  const text = readFileSync(COMPOSE_FILE, 'utf8');
  assert.ok(validate(parse(text, { merge: true })), JSON.stringify(validate.errors));
  assert.ok(!validate(parse(text.replace('read_only: true', 'read_only: [yes]'))));
});

test('what it names is there: volumes, services, the Dockerfile and its target, and who has an image of its own', () => {
  const { services, volumes } = compose;
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  for (const [name, { build, depends_on: needed, volumes: mounts, network_mode: network }] of Object.entries(
    services,
  )) {
    for (const other of Object.keys(needed)) assert.ok(other in services, `${name} depends on ${other}`);
    for (const mount of mounts) assert.ok((mount.split(':')[0] ?? '') in volumes, `${name} mounts ${mount}`);
    const [, shared] = /^service:(.*)$/.exec(network ?? '') ?? [];
    if (shared !== undefined) assert.ok(shared in services, `${name} shares the network of ${shared}`);
    if (typeof build === 'object')
      assert.match(dockerfile, new RegExp(`^FROM \\S+ AS ${build.target}$`, 'm'));
    if (name !== 'setup')
      assert.ok(mounts.every((mount) => mount.endsWith(':ro') || mount.startsWith('postgres-socket:')));
  }
  const images = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []));
  assert.deepEqual([...new Set(images)], ['postgres:18']);
});

test('the proxy there is guarded, reached by nobody but who shares its network, and has time to drain', () => {
  const { proxy, client } = compose.services;
  assert.equal(client?.network_mode, 'service:proxy');
  assert.deepEqual(
    [proxy?.read_only, proxy?.cap_drop, proxy?.security_opt],
    [true, ['ALL'], ['no-new-privileges:true']],
  );
  assert.ok(Number.parseInt(proxy?.stop_grace_period ?? '', 10) > 30);
});

test('its parts, started by hand as it says, let a client in that has no password', async () => {
  await using files = await createTestFiles();
  const directory = (name: string): string => {
    mkdirSync(join(files.directory, name), { recursive: true });
    return join(files.directory, name);
  };
  const { setup, postgres, entra, proxy, client } = compose.services;
  assert.ok(setup && postgres && entra && proxy && client);
  const own = Object.fromEntries(
    ['postgres', 'entra', 'proxy'].map((name) => [`${name}-files`, directory(name)]),
  );

  const made = outside(setup, own, { '/files': files.directory });
  await promisify(execFile)(process.execPath, made.command);

  const [program, ...settings] = outside(postgres, { ...own, 'postgres-socket': '' }, {}).command;
  assert.equal(program, 'postgres');
  const given = Object.fromEntries(
    settings.filter((word) => word !== '-c').map((word) => word.split('=')),
  ) as Record<string, string>;
  const { ssl_cert_file: cert = '', ssl_key_file: key = '', hba_file: hba = '', ...others } = given;
  const postgresFiles = { certPem: readFileSync(cert, 'utf8'), keyPem: readFileSync(key, 'utf8') };
  // Each server has its own account, which the files are not for.
  await using server = await startPostgres({
    ...postgresFiles,
    settings: others,
    hba: readFileSync(hba, 'utf8').trim().split('\n'),
  });
  await server.admin(`create database ${postgres.environment['POSTGRES_DB']}`);

  const [entraPort, adminPort, proxyPort] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  const volumes = { ...own, 'postgres-socket': server.socketDir };
  const place = { '//entra': '//127.0.0.1', 8443: String(entraPort) };
  const entraSide = outside(entra, volumes, { ...place, '0.0.0.0': '127.0.0.1' });
  await using standIn = startNode(entraSide.command, {
    ...entraSide.environment,
    PGPORT: String(server.port),
  });
  await standIn.says(/listens/);

  const proxySide = outside(proxy, volumes, { ...place, postgres: '127.0.0.1', 9090: String(adminPort) });
  const port = { PGEP_PORT: String(proxyPort), PGEP_UPSTREAM_PORT: String(server.port) };
  // That of the server is a name, and no host that is dialled.
  await using running = startProgram(proxy.command, { ...proxySide.environment, ...port });
  await running.find('listening');
  const admin = { PGEP_ADMIN_PORT: String(adminPort) };
  assert.deepEqual(await runProgram(['wait', '--timeout', '30s'], admin), {
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
  });

  const { command, environment } = outside(client, volumes, { 6432: String(proxyPort) });
  const { PGDATABASE: database, PGUSER: user } = environment;
  await using connection = await connectPg(proxyPort, {
    ...(database && { database }),
    ...(user && { user }),
  });
  const expected = { role: entra.environment['ROLE'], ssl: true, tls: 'TLSv1.3' };
  assert.deepEqual((await connection.client.query(command.at(-1) ?? '')).rows, [expected]);
  if (missing('psql') !== false) return;
  const [psql = '', ...args] = command;
  const { stdout } = await promisify(execFile)(psql, [...args, '-At'], {
    env: { ...process.env, ...environment },
  });
  assert.equal(stdout, 'demo-app|t|TLSv1.3\n');
});

/** Starts Node.js, and expects that SIGTERM ends it well. */
function startNode(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return {
    says: (what: RegExp) => until(`${what}`, () => what.test(output) || child.exitCode !== null),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      assert.deepEqual(await closed, [0, null]);
    },
  };
}
