import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SETTING_NAMES } from '../../../src/config/settings.ts';
import { missing } from '../../support/clients.ts';
import { GUIDE, guideBlocks, guideCommands, guideSql } from '../../support/kubernetes/guide.ts';
import { noHelm } from '../../support/kubernetes/helm.ts';
import {
  containerNamed,
  DEPLOY,
  environmentOf,
  MANIFEST_FILES,
  type Manifest,
  parseManifests,
  podTemplatesOf,
  readManifestFile,
} from '../../support/kubernetes/manifests.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const manifests = MANIFEST_FILES.flatMap(readManifestFile);

/** Whether the examples have an object, by `kind/name` as kubectl has it. */
function isThere(reference: string): boolean {
  const [kind = '', name] = reference.split('/');
  return manifests.some((one) => one.kind.toLowerCase() === kind && one.metadata.name === name);
}

test('what the guide links to is there', () => {
  const links = [...GUIDE.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)];
  assert.ok(links.length > 10);
  const headings = [...GUIDE.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const [link, path = '', anchor] of links) {
    if (path !== '') assert.ok(existsSync(`${ROOT}docs/${path}`), link);
    else assert.ok(headings.includes(anchor ?? ''), link);
  }
});

test('the commands for kubectl and az are about what is in the manifests', () => {
  const commands = guideCommands();
  const made = commands
    .flatMap((one) => /create job --from=\S+ (\S+)/.exec(one)?.[1] ?? [])
    .map((name) => `job/${name}`);
  const references = commands.flatMap((one) => one.match(/\b(?:deployment|job|cronjob)\/[\w-]+/g) ?? []);
  assert.ok(references.length > 10);
  for (const reference of references) assert.ok(isThere(reference) || made.includes(reference), reference);
  for (const [, file = ''] of commands.join('\n').matchAll(/--filename (\S+)/g))
    assert.ok(existsSync(ROOT + file), file);

  const subjects = commands.flatMap((one) => /--subject system:serviceaccount:(\S+)/.exec(one)?.[1] ?? []);
  const accounts = manifests.filter(({ kind }) => kind === 'ServiceAccount');
  assert.deepEqual(
    new Set(subjects),
    new Set(accounts.map(({ metadata }) => `${metadata.namespace}:${metadata.name}`)),
  );
});

test('each role that a manifest names is one that the guide makes, for an identity that it makes', () => {
  const text = MANIFEST_FILES.map((file) => readFileSync(`${DEPLOY}kubernetes/${file}`, 'utf8')).join('\n');
  const roles = new Set(
    text.match(/\b[a-z]+-identity\b(?!\/)/g)?.filter((name) => name !== 'workload-identity'),
  );
  const identities = guideCommands().flatMap(
    (one) => /^az identity create .*--name (\S+)$/.exec(one)?.[1] ?? [],
  );
  const made = guideSql().flatMap(([, sql]) => /pgaadauth_create_principal\('([^']+)'/.exec(sql)?.[1] ?? []);
  assert.deepEqual(new Set(identities), roles);
  assert.deepEqual(new Set(made), roles);
});

test('the client of the shared service has the name, port, label and Secrets that the others have', () => {
  const shared = readManifestFile('shared.yaml');
  const clients = readManifestFile('shared-client.yaml');
  const find = (kind: string): Manifest => shared.find((one) => one.kind === kind) as Manifest;
  const env = environmentOf(containerNamed(clients, 'psql'));
  const service = find('Service');
  const { ports } = (service.spec ?? {}) as { ports: { port: number }[] };
  assert.equal(env['PGHOST'], `${service.metadata.name}.${service.metadata.namespace}.svc`);
  assert.equal(env['PGPORT'], String(ports[0]?.port));
  const [pod] = podTemplatesOf(clients);
  const { ingress } = find('NetworkPolicy').spec as {
    ingress: { from: { podSelector: { matchLabels: Readonly<Record<string, string>> } }[] }[];
  };
  const labels = Object.entries(ingress[0]?.from[0]?.podSelector.matchLabels ?? {});
  assert.equal(labels.length, 1);
  for (const [name, value] of labels) assert.equal(pod?.labels[name], value);

  const made = guideCommands().flatMap(
    (one) => /create (?:secret (?:tls|generic)|configmap) (\S+)/.exec(one)?.[1] ?? [],
  );
  const text = ['shared.yaml', 'shared-client.yaml']
    .map((file) => readFileSync(`${DEPLOY}kubernetes/${file}`, 'utf8'))
    .join('');
  const used = [...text.matchAll(/(?:secretName: |secretKeyRef:\n +name: |configMap:\n +name: )(\S+)/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(new Set(made), new Set(used));
  const [certificate] = guideBlocks('yaml')
    .filter((block) => block.includes('kind: Certificate'))
    .flatMap(parseManifests);
  const { secretName, dnsNames } = (certificate?.spec ?? {}) as { secretName: string; dnsNames: string[] };
  assert.equal(secretName, made[0]);
  assert.ok(dnsNames.includes(env['PGHOST'] ?? ''));
});

test('every flag that the guide gives the program is one', () => {
  const own = ['timeout', 'json', 'tcp', 'url-env'];
  const text = GUIDE.split('\n')
    .filter((line) => /pg-entra-proxy (?:exec|wait|check|run)|^\| `--/.test(line))
    .join('\n');
  const inProse = [...GUIDE.matchAll(/`--([a-z-]+)(?:[= ][^`]*)?`/g)].map(([, name = '']) => name);
  const flags = [...text.matchAll(/ --([a-z-]+)/g)].map(([, name = '']) => name);
  const others = ['namespace', 'container', 'values', 'microsoft-entra-auth', 'active-directory-auth'];
  assert.ok(flags.length > 3);
  for (const flag of [...flags, ...inProse])
    assert.ok([...SETTING_NAMES, ...own, ...others].includes(flag), `--${flag}`);
});

test('helm takes the commands of the guide', { skip: noHelm }, () => {
  const commands = guideCommands().filter((one) => one.startsWith('helm '));
  assert.equal(commands.length, 5);
  for (const command of commands) {
    const rendering = command.replace(
      /^helm (?:install|upgrade --install)/,
      'helm template --kube-version 1.33.0',
    );
    const env = {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      SERVER: 'myserver',
      CLIENT_ID: '00000000-0000-4000-8000-000000000009',
    };
    const out = execFileSync('sh', ['-c', rendering], { cwd: ROOT, env, encoding: 'utf8' });
    assert.match(out, /kind: (?:Deployment|CronJob)/, command);
  }
});

test('kubectl takes what the guide creates', { skip: missing('kubectl') }, () => {
  for (const command of guideCommands().filter((one) =>
    /^kubectl .*create (?:secret generic|configmap)/.test(one),
  )) {
    // Any files will do: nothing is sent.
    const args = command.replaceAll(/(userlist\.txt|tls\.crt)/g, `${DEPLOY}kubernetes/shared.yaml`);
    const out = execFileSync('sh', ['-c', `${args} --dry-run=client --output=yaml`], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', PASSWORD: 'x' },
    });
    assert.match(out, /^apiVersion: v1$/m, command);
  }
});
