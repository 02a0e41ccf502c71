import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { missing } from '../support/clients.ts';
import { readManifest } from '../support/package.ts';
import { allNeeds, readWorkflows, stepsOf } from '../support/workflows.ts';

const ACTIONLINT = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12';

const workflows = readWorkflows();
const { 'ci.yml': ci, 'release.yml': release } = workflows;
assert.ok(ci && release);

test('no workflow may do more than read, except for the jobs that publish, and what each of them needs', () => {
  const granted = Object.entries(workflows).flatMap(([file, { permissions, jobs }]) => {
    assert.deepEqual(permissions, { contents: 'read' }, file);
    const writing = Object.entries(jobs).flatMap(([job, own]) =>
      Object.entries(own.permissions).flatMap(([name, access]) =>
        access === 'write' ? [`${job}: ${name}`] : [],
      ),
    );
    return writing.map((one) => `${file}: ${one}`);
  });
  assert.deepEqual(granted, [
    'release.yml: npm: id-token',
    'release.yml: image: packages',
    'release.yml: image: id-token',
    'release.yml: release: contents',
  ]);
});

test('every job ends some time, and a token of the repository is left in no working tree', () => {
  for (const [file, workflow] of Object.entries(workflows)) {
    for (const [name, job] of Object.entries(workflow.jobs))
      assert.ok(job.uses !== undefined || job['timeout-minutes'] !== undefined, `${file}: ${name}`);
    const checkouts = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    assert.ok(checkouts.length > 0);
    for (const { with: inputs } of checkouts) assert.equal(inputs['persist-credentials'], false, file);
  }
});

test('every action has a version, and what others can write is in no command', () => {
  for (const step of Object.values(workflows).flatMap(stepsOf)) {
    if (step.uses !== undefined) assert.match(step.uses, /^[\w-]+\/[\w-]+@v\d+(?:\.\d+\.\d+)?$/);
    assert.doesNotMatch(step.run ?? '', /\$\{\{/);
  }
});

test('what the workflows run is there: scripts of package.json, files, and the engine that the package names', async () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const commands = Object.values(workflows).flatMap((one) => stepsOf(one).flatMap(({ run }) => run ?? []));
  const called = commands.flatMap((command) => [
    ...[...command.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name ?? ''),
    ...(command.includes('npm test') ? ['test'] : []),
  ]);
  assert.ok(called.length >= 8);
  for (const name of called) assert.ok(name in scripts, name);
  for (const path of commands.join(' ').match(/docker\/[\w.]+/g) ?? []) assert.ok(existsSync(path), path);
  const oldest = ci.jobs['oldest']?.steps.find(({ uses }) => uses?.startsWith('actions/setup-node@'));
  const { engines } = await readManifest();
  assert.equal(engines.node, `>=${String(oldest?.with['node-version']).replace(/\.0$/, '')}`);
});

test('tests run on Linux, macOS and Windows, with each Node.js, and all of them before anything is published', () => {
  const { test: unix, windows } = ci.jobs;
  assert.deepEqual(unix?.strategy?.matrix, { os: ['ubuntu-latest', 'macos-latest'], node: [22, 24, 26] });
  assert.deepEqual(
    [windows?.['runs-on'], windows?.strategy?.matrix],
    ['windows-latest', { node: [22, 24, 26] }],
  );
  assert.equal(release.jobs['test']?.uses, './.github/workflows/ci.yml');
  assert.ok('workflow_call' in ci.on);
  for (const name of ['npm', 'image', 'release'])
    for (const needed of ['version', 'test'])
      assert.ok(allNeeds(release, name).has(needed), `${name}: ${needed}`);
});

test('the package is published with its provenance, the image for both processors and signed', () => {
  const [npm = '', image = ''] = ['npm', 'image'].map((name) => JSON.stringify(release.jobs[name]?.steps));
  assert.match(npm, /npm publish --provenance/);
  assert.match(image, /linux\/amd64,linux\/arm64/);
  assert.match(image, /cosign sign/);
});

test('actionlint finds nothing', { skip: missing('go') }, async (context) => {
  const files = Object.keys(workflows).map((name) => `.github/workflows/${name}`);
  try {
    await promisify(execFile)('go', ['run', ACTIONLINT, '-no-color', ...files]);
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    if (/dial tcp|no such host|proxyconnect|i\/o timeout|TLS handshake|requires go/.test(stderr))
      return context.skip('it cannot be had: the proxy of Go modules cannot be reached');
    assert.fail(stdout + stderr);
  }
});
