import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { IContainer } from 'kubernetes-models/v1';
import { missing } from '../support/clients.ts';
import { guideCommands } from '../support/kubernetes/guide.ts';
import { containerNamed, readManifestFile } from '../support/kubernetes/manifests.ts';
import { startApp, startPodBench } from '../support/kubernetes/pod.ts';

const bench = await startPodBench();
after(() => bench[Symbol.asyncDispose]());

const skip = missing('openssl') || missing('psql');

const proxyContainer = containerNamed(readManifestFile('shared.yaml'), 'pg-entra-proxy');
const client = containerNamed(readManifestFile('shared-client.yaml'), 'psql');

/** Makes certificate, key and users as the guide says; they are where the Secrets would be mounted. */
function makeSecrets(): { tls: string; users: string; ca: string; password: string } {
  const directory = join(bench.credentials.files.directory, 'secrets');
  mkdirSync(directory);
  const commands = guideCommands().filter((command) => /^(?:openssl|PASSWORD=|printf) ?/.test(command));
  assert.equal(commands.length, 3, commands.join('\n'));
  execFileSync('sh', ['-ec', ['umask 077', ...commands].join('\n')], { cwd: directory, stdio: 'pipe' });
  const [, user, password = ''] =
    /^"(\w+)" "(\w+)"\n$/.exec(readFileSync(join(directory, 'userlist.txt'), 'utf8')) ?? [];
  assert.equal(user, client.env?.find(({ name }) => name === 'PGUSER')?.value);
  return { tls: directory, users: directory, ca: directory, password };
}

/** The same container, with some of its arguments as this machine needs them. */
function withArgs(changes: Readonly<Record<string, string | undefined>>): IContainer {
  const args = (proxyContainer.args ?? []).flatMap((word) => {
    if (!(word in changes)) return [word];
    const changed = changes[word];
    return changed === undefined ? [] : [changed];
  });
  return { ...proxyContainer, args };
}

test('shared.yaml: what the guide makes is what the proxy takes, and the client of the guide gets in, over TLS', {
  skip,
}, async () => {
  const { password, ...volumes } = makeSecrets();
  await using checking = bench.startProxy(withArgs({ run: 'run' }), volumes, { PGEP_CHECK_CONFIG: 'true' });
  assert.deepEqual(
    [(await checking.exit).code, checking.stdout],
    [0, 'the configuration is fine\n'],
    checking.stderr,
  );

  // Everything else as it is, but for this machine alone, on any free ports, and without the wait at the end.
  const local = withArgs({
    '--address=0.0.0.0': '--address=127.0.0.1',
    '--admin-address=0.0.0.0': '--admin-address=127.0.0.1',
    '--allow-remote-clients': undefined,
    '--admin-port=9090': '--admin-port=0',
    '--drain-delay=15s': '--drain-delay=100ms',
  });
  await using proxy = bench.startProxy(local, volumes, { PGEP_PORT: '0' });
  const adminPort = Number((await proxy.find('admin-listening'))['port']);
  await proxy.find('ready');
  for (const probe of [
    proxyContainer.startupProbe,
    proxyContainer.readinessProbe,
    proxyContainer.livenessProbe,
  ]) {
    const { status } = await fetch(`http://127.0.0.1:${adminPort}${probe?.httpGet?.path ?? ''}`);
    assert.equal(status, 200, probe?.httpGet?.path);
  }
  const port = String((await proxy.find('listening'))['port']);
  const connect = (env: Readonly<Record<string, string>>) =>
    startApp(
      client,
      {},
      {
        PGHOSTADDR: '127.0.0.1',
        PGPORT: port,
        PGPASSWORD: password,
        PGSSLROOTCERT: join(volumes.tls, 'tls.crt'),
        ...env,
      },
    );
  await using right = connect({});
  assert.deepEqual([await right.exit, right.stdout, right.stderr], [0, 'shared-identity\n', '']);
  await using wrong = connect({ PGPASSWORD: `${password}x` });
  assert.deepEqual([await wrong.exit, wrong.stdout], [2, '']);
  await using elsewhere = connect({ PGHOST: 'another.shop.svc' });
  assert.equal(await elsewhere.exit, 2);
  assert.match(elsewhere.stderr, /does not match host name/);
  proxy.child.kill('SIGTERM');
  assert.deepEqual(await proxy.exit, { code: 0, signal: null });
});
