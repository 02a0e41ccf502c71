import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { missing } from '../support/clients.ts';
import { containerNamed, readManifestFile } from '../support/kubernetes/manifests.ts';
import { startApp, startPodBench } from '../support/kubernetes/pod.ts';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';

const bench = await startPodBench();
after(() => bench[Symbol.asyncDispose]());

const manifests = readManifestFile('sidecar.yaml');
const sidecar = containerNamed(manifests, 'pg-entra-proxy');

test('sidecar.yaml: the application starts when the probe succeeds, and reaches the server until it ends itself', {
  skip: missing('psql'),
}, async () => {
  const env = { PGEP_ADMIN_PORT: String(await findFreePort()) };
  await using proxy = bench.startProxy(sidecar, {}, { ...env, PGEP_PORT: '0' });
  for (const probe of [sidecar.startupProbe, sidecar.livenessProbe]) {
    const [, ...words] = probe?.exec?.command ?? [];
    assert.deepEqual(await runProgram(words, env), { code: 0, signal: null, stdout: '', stderr: '' });
  }
  const port = String((await proxy.find('listening'))['port']);
  await using app = startApp(containerNamed(manifests, 'app'), {}, { PGPORT: port });
  await until('an answer from the server', () => app.stdout.includes('\n'));
  assert.match(app.stdout, /^\d{4}-[^|]+\|orders-identity\|postgres\n$/);
  // In the order of Kubernetes: a sidecar's turn comes when the application has ended.
  app.terminate();
  assert.deepEqual([await app.exit, app.stderr], [0, '']);
  proxy.child.kill('SIGTERM');
  assert.deepEqual(await proxy.exit, { code: 0, signal: null });
});

test('sidecar.yaml: while there is no token the probe fails, and says what is missing in the pod', async () => {
  const env = { PGEP_ADMIN_PORT: String(await findFreePort()) };
  await using proxy = bench.startProxy(sidecar, {}, { ...env, PGEP_PORT: '0', AZURE_CLIENT_ID: '' });
  await proxy.find('token-failed');
  const [, command = '', timeout = ''] = sidecar.startupProbe?.exec?.command ?? [];
  const { code, stderr } = await runProgram([command, timeout.replace(/=.*/, '=300ms')], env);
  assert.equal(code, 1);
  // As docs/kubernetes.md has it.
  assert.match(stderr, /no token yet: 28000 [^]*clientId is a required parameter[^]*"AZURE_CLIENT_ID"/);
});
