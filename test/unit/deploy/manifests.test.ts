import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  DEPLOY,
  MANIFEST_FILES,
  type Manifest,
  parseManifests,
  readManifestFile,
} from '../../support/kubernetes/manifests.ts';
import { problemsOf } from '../../support/kubernetes/problems.ts';
import { PROGRAM } from '../../support/kubernetes/proxy-rules.ts';
import { schemaProblems } from '../../support/kubernetes/schema.ts';

/** ConfigMaps that docs/kubernetes.md makes. */
const ELSEWHERE = ['pg-entra-proxy-ca'];

for (const file of MANIFEST_FILES) {
  test(`${file} is what Kubernetes knows, restricted, and fits together`, () => {
    assert.deepEqual(problemsOf(readManifestFile(file), ELSEWHERE), []);
  });

  test(`a typo in any field of ${file} is noticed`, () => {
    for (const manifest of readManifestFile(file)) {
      for (const [path, broken] of withTypos(manifest)) {
        assert.notDeepEqual(schemaProblems(broken as Manifest), [], `${manifest.kind}${path} with a typo`);
      }
    }
  });
}

test('both CronJobs use the same ServiceAccount and SQL, so either may be applied after the other', () => {
  const [one, other] = ['cronjob-seed.yaml', 'cronjob-sidecar.yaml'].map((file) => {
    return readManifestFile(file).filter(({ kind }) => kind !== 'CronJob');
  });
  assert.deepEqual(one, other);
});

test('what probes run is what the images run', () => {
  for (const file of ['../Dockerfile', 'kubernetes/exec-image/Dockerfile']) {
    const dockerfile = readFileSync(`${DEPLOY}${file}`, 'utf8');
    assert.deepEqual(
      JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile.split('\nFROM ').at(-1) ?? '')?.[1] ?? '[]'),
      [PROGRAM],
    );
  }
});

test('what YAML 1.1 and 1.2 read differently is noticed', () => {
  for (const value of ['0440', 'yes', '1_000']) {
    assert.throws(() => parseManifests(`defaultMode: ${value}`), /differently/);
  }
});

/** Maps, whose keys are anybody's. */
const MAPS = /\/(?:labels|annotations|matchLabels|data|requests|limits)$|^\/spec\/selector$/;

/** The same object with one field's name wrong, for each of its fields. */
function* withTypos(value: unknown, path = ''): Generator<readonly [path: string, broken: unknown]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}/${key}`;
    const put = (broken: unknown): unknown => {
      return Array.isArray(value) ? value.with(Number(key), broken) : { ...value, [key]: broken };
    };
    if (!Array.isArray(value) && !MAPS.test(path)) {
      const { [key]: _, ...others } = value as Readonly<Record<string, unknown>>;
      yield [at, { ...others, [`${key}x`]: inner }];
    }
    for (const [where, broken] of withTypos(inner, at)) yield [where, put(broken)];
  }
}
