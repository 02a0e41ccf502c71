import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPermissive, productionPackages, thirdParties } from '../support/licences.ts';
import { npm, readManifest } from '../support/package.ts';

test('whatever the program brings along has a licence that asks for no more than to be named, and its text', () => {
  const all = thirdParties();
  assert.ok(all.length > 50);
  for (const { name, licence, text } of all) {
    assert.ok(isPermissive(licence), `${name}: ${licence}`);
    assert.notEqual(text, '', name);
  }
});

test('an alternative is enough, but all of its parts must do', () => {
  assert.ok(isPermissive('(MIT OR GPL-3.0-only)'));
  assert.ok(!isPermissive('MIT AND GPL-3.0-only'));
  assert.ok(!isPermissive('none'));
});

test('none of it is made for one platform, or runs anything when it is installed', () => {
  const special = productionPackages().filter(
    ([, { os, cpu, hasInstallScript }]) => os !== undefined || cpu !== undefined || hasInstallScript === true,
  );
  assert.deepEqual(
    special.map(([path]) => path),
    [],
  );
});

test('npm run sbom lists exactly that, as CycloneDX', async () => {
  const bom = JSON.parse(await npm('.', 'run', '--silent', 'sbom')) as {
    bomFormat: string;
    specVersion: string;
    metadata: { component: { name: string; version: string } };
    components: { name: string; version: string; purl: string; licenses: unknown[]; hashes: unknown[] }[];
  };
  assert.deepEqual([bom.bomFormat, bom.specVersion], ['CycloneDX', '1.5']);
  const { component } = bom.metadata;
  assert.deepEqual([component.name, component.version], ['pg-entra-proxy', (await readManifest()).version]);
  const listed = bom.components.map(({ name, version }) => `${name}@${version}`);
  const wanted = thirdParties().map(({ name, version }) => `${name}@${version}`);
  assert.deepEqual([...new Set(listed)].toSorted(), [...new Set(wanted)].toSorted());
  for (const { name, purl, licenses, hashes } of bom.components) {
    assert.match(purl, /^pkg:npm\//, name);
    assert.ok(licenses.length > 0 && hashes.length > 0, name);
  }
});
