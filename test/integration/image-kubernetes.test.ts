import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { missing } from '../support/clients.ts';
import { noImage, startContainer } from '../support/image.ts';
import { containerNamed, environmentOf, expand, readManifestFile } from '../support/kubernetes/manifests.ts';
import { type PodBench, startPodBench } from '../support/kubernetes/pod.ts';

/** A program of this machine's PostgreSQL, where there is no Perl script in front of it. */
const PSQL = '/usr/lib/postgresql/15/bin/psql';

/** What glibc consists of: every image has its own. */
const GLIBC = /^(?:ld-linux|linux-vdso|libc|libm|libdl|librt|libpthread|libresolv|libutil)\b/;

/** Copies psql and the libraries that it needs: what an image of one's own adds to this one. */
async function copyPsql(directory: string): Promise<void> {
  const libraries = execFileSync('ldd', [PSQL], { encoding: 'utf8' }).match(/(?<==> )\/\S+/g) ?? [];
  for (const folder of ['bin', 'lib']) await mkdir(join(directory, folder));
  await copyFile(PSQL, join(directory, 'bin/psql'));
  for (const library of libraries.filter((path) => !GLIBC.test(basename(path))))
    await copyFile(library, join(directory, 'lib', basename(library)));
}

let bench: PodBench;

/** What AKS would give to the container; files of this machine are in /test there. */
function environment(): Record<string, string> {
  const { directory } = bench.credentials.files;
  return Object.fromEntries(
    Object.entries(bench.environment).map(([name, value]) => [name, value.replace(directory, '/test')]),
  );
}

describe('in the image', { skip: noImage || missing(PSQL) }, () => {
  before(async () => {
    bench = await startPodBench();
    const { directory } = bench.credentials.files;
    await copyPsql(directory);
    await chmod(directory, 0o755);
    for (const file of ['server-ca.pem', 'entra-ca.pem', 'azure-identity-token'])
      await chmod(join(directory, file), 0o644);
  });
  after(() => bench[Symbol.asyncDispose]());

  test('cronjob-seed.yaml makes its table with three records, however often, with only /tmp to write to', async () => {
    const { files, server } = bench.credentials;
    const manifests = readManifestFile('cronjob-seed.yaml');
    const seed = containerNamed(manifests, 'seed');
    const volumes = await bench.mountConfigMaps(manifests);
    const psql = { PATH: '/usr/local/bin:/test/bin', LD_LIBRARY_PATH: '/test/lib' };
    const env = { ...environment(), ...environmentOf(seed), ...psql };
    const run = ['--volume', `${volumes['seed']}:/seed:ro`, '--tmpfs', '/tmp:rw,size=1m,mode=1777'];
    for (const inserted of [3, 0]) {
      await using container = startContainer(expand(seed.args ?? [], env), {
        env,
        directory: files.directory,
        run,
      });
      assert.deepEqual(
        [await container.exit, container.output],
        [0, `SET\nCREATE TABLE\nINSERT 0 ${inserted}\n`],
      );
      const [row] = await server.postgres.admin('select count(*)::int as fruit from fruit', 'app');
      assert.deepEqual(row, { fruit: 3 });
    }
  });

  test('the probes of sidecar.yaml are run in the container, and tell when it is ready', async () => {
    const sidecar = containerNamed(readManifestFile('sidecar.yaml'), 'pg-entra-proxy');
    const ports = { PGEP_PORT: '0', PGEP_ADMIN_PORT: String(await findFreePort()) };
    const env = { ...environment(), ...environmentOf(sidecar), ...ports };
    await using container = startContainer(sidecar.args ?? [], {
      env,
      directory: bench.credentials.files.directory,
    });
    await container.says(/"event":"admin-listening"/);
    for (const probe of [sidecar.startupProbe, sidecar.livenessProbe]) {
      assert.deepEqual(await container.execute(...(probe?.exec?.command ?? [])), { status: 0, output: '' });
    }
  });
});
