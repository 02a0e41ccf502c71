import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { missing } from '../support/clients.ts';
import { containerNamed, environmentOf, readManifestFile } from '../support/kubernetes/manifests.ts';
import { startApp, startPodBench } from '../support/kubernetes/pod.ts';
import { runProgram } from '../support/program.ts';

const bench = await startPodBench();
after(() => bench[Symbol.asyncDispose]());

const skip = missing('psql');

const { postgres } = bench.credentials.server;

/** What is in the table, and whose it is. */
async function seeded(): Promise<unknown> {
  const sql = `select string_agg(id || ' ' || name, ', ' order by id) as fruit,
    (select tableowner from pg_tables where tablename = 'fruit') as owner from fruit`;
  const [row] = await postgres.admin(sql, 'app');
  return row;
}

const SEEDED = { fruit: '1 apple, 2 banana, 3 cherry', owner: 'seed-identity' };

test('cronjob-seed.yaml: told a host, a user and a database, it makes a table with three records, each time it runs', {
  skip,
}, async () => {
  const manifests = readManifestFile('cronjob-seed.yaml');
  const volumes = await bench.mountConfigMaps(manifests);
  const seed = containerNamed(manifests, 'seed');
  assert.deepEqual(Object.keys(environmentOf(seed)), ['DBHOST', 'DBUSER', 'DBNAME']);
  const env = { TMPDIR: volumes['tmp'] ?? '', PATH: process.env['PATH'] ?? '' };
  for (const run of ['first', 'second']) {
    await using program = bench.startProxy(seed, volumes, env);
    const { code } = await program.exit;
    assert.deepEqual([code, program.stderr], [0, ''], run);
    assert.deepEqual(await seeded(), SEEDED, run);
  }
  await appendFile(
    join(volumes['seed'] ?? '', 'seed.sql'),
    "insert into fruit values (4, 'durian'); select 1/0;",
  );
  await using failing = bench.startProxy(seed, volumes, env);
  assert.deepEqual((await failing.exit).code, 3);
  assert.match(failing.stderr, /division by zero/);
  assert.deepEqual(await seeded(), SEEDED, 'all of it, or nothing');
});

test('cronjob-sidecar.yaml: psql starts when the probe succeeds, does the same, and the sidecar ends when told', {
  skip,
}, async () => {
  await postgres.admin('drop table if exists fruit', 'app');
  const manifests = readManifestFile('cronjob-sidecar.yaml');
  const volumes = await bench.mountConfigMaps(manifests);
  const sidecar = containerNamed(manifests, 'pg-entra-proxy');
  const adminPort = String(await findFreePort());
  await using proxy = bench.startProxy(sidecar, volumes, { PGEP_ADMIN_PORT: adminPort, PGEP_PORT: '0' });
  const [, ...probe] = sidecar.startupProbe?.exec?.command ?? [];
  assert.equal((await runProgram(probe, { PGEP_ADMIN_PORT: adminPort })).code, 0);
  const port = String((await proxy.find('listening'))['port']);
  for (const run of ['first', 'second']) {
    await using psql = startApp(containerNamed(manifests, 'psql'), volumes, { PGPORT: port });
    assert.deepEqual([await psql.exit, psql.stderr], [0, ''], run);
    assert.deepEqual(await seeded(), SEEDED, run);
  }
  proxy.child.kill('SIGTERM');
  assert.deepEqual(await proxy.exit, { code: 0, signal: null });
});
