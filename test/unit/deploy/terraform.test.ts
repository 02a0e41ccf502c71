import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { missing } from '../../support/clients.ts';
import { GUIDE } from '../../support/kubernetes/guide.ts';
import { containerNamed, DEPLOY, readManifestFile } from '../../support/kubernetes/manifests.ts';

const FOLDER = `${DEPLOY}terraform`;

const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, 'utf8');

test('the Terraform example is written as terraform fmt writes it, and so is its .tfvars', {
  skip: missing('terraform'),
}, () => {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', CHECKPOINT_DISABLE: '1' };
  const check = (args: readonly string[], input?: string) =>
    spawnSync('terraform', ['fmt', '-check', '-diff', '-no-color', ...args], {
      encoding: 'utf8',
      env,
      input,
    });
  // It parses what it formats.
  for (const { status, stdout, stderr } of [
    check([FOLDER]),
    check(['-'], read('terraform.tfvars.example')),
  ]) {
    assert.deepEqual([status, stdout], [0, ''], stderr);
  }
});

test('terraform.tfvars.example gives a value to everything that has none', () => {
  const blocks = read('variables.tf')
    .split(/^(?=variable )/m)
    .slice(1);
  assert.ok(blocks.length > 5);
  const needed = blocks
    .filter((block) => !/^ {2}default/m.test(block))
    .map((block) => /"(\w+)"/.exec(block)?.[1]);
  const given = [...read('terraform.tfvars.example').matchAll(/^(\w+) *=/gm)].map(([, name]) => name);
  for (const name of needed) assert.ok(given.includes(name), name);
  for (const name of given) assert.ok(read('variables.tf').includes(`variable "${name}"`), name);
});

test('every variable is used, and the outputs that the guide reads are there', () => {
  const [main, variables, outputs] = [
    read('main.tf') + read('versions.tf'),
    read('variables.tf'),
    read('outputs.tf'),
  ];
  for (const [, name = ''] of variables.matchAll(/^variable "(\w+)"/gm))
    assert.ok(main.includes(`var.${name}`), name);
  for (const [, name = ''] of GUIDE.matchAll(/terraform output -raw (\w+)/g))
    assert.ok(outputs.includes(`output "${name}"`), name);
});

test('its defaults are the ServiceAccount and the role of sidecar.yaml', () => {
  const variables = read('variables.tf');
  const manifests = readManifestFile('sidecar.yaml');
  const account = manifests.find(({ kind }) => kind === 'ServiceAccount')?.metadata;
  const [, namespace, name] = /default = \{\s*namespace = "(\w+)"\s*name += "(\w+)"/.exec(variables) ?? [];
  assert.deepEqual([namespace, name], [account?.namespace, account?.name]);
  const [, identity] = /variable "identity_name" \{[^]*?default += "([^"]+)"/.exec(variables) ?? [];
  assert.ok(containerNamed(manifests, 'pg-entra-proxy').args?.includes(`--user=${identity}`));
});
