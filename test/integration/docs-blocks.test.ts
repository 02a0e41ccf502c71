import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { after, before, test } from 'node:test';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { blocksOf, readPage } from '../support/guides.ts';
import { SERVER_NAME, startTestServer, type TestServer } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';

/** Generated, with files of many programs. */
const CLIENTS = /clients\.md$/;

/** A manifest of Kubernetes, or what says in its first line that it is another program's. */
const FOREIGN = /^apiVersion:|^# (?!proxy\.yaml\b|\/etc\/pg-entra-proxy).*\.ya?ml/m;

const CONFIGURATIONS = globSync(['docs/**/*.md', '*.md'])
  .filter((path) => !CLIENTS.test(path))
  .flatMap((path) =>
    blocksOf(readPage(path))
      .filter(({ language, text }) => language === 'yaml' && !FOREIGN.test(text))
      .map(({ text }) => ({ path, text })),
  );

let files: TestFiles;
let server: TestServer;

before(async () => {
  assert.ok(CONFIGURATIONS.length > 5);
  files = await createTestFiles();
  server = await startTestServer();
});

after(async () => {
  await server.postgres.stop();
  await files[Symbol.asyncDispose]();
});

/** The same with files that are there, in the place of those that the block names. */
async function withFiles(text: string): Promise<string> {
  const { certPem, keyPem } = await server.authority.issue({ dnsNames: [SERVER_NAME] });
  const contents: Readonly<Record<string, string>> = {
    ca: server.authority.certPem,
    'local-tls-cert': certPem,
    'local-tls-key': keyPem,
    'local-users-file': '"web" "a long password"\n',
  };
  let own = text;
  for (const [, name = '', path = ''] of text.matchAll(/([\w-]+): (\/[^\s,}]+)/g)) {
    const content = contents[name];
    if (content !== undefined) own = own.replace(path, await files.write(basename(path), content));
  }
  return own;
}

for (const [index, { path, text }] of CONFIGURATIONS.entries()) {
  test(`the program takes configuration ${index + 1} of the pages, in ${path}`, async () => {
    const config = await files.write(`${index}.yaml`, await withFiles(text));
    const { code, stdout, stderr } = await runProgram(['--config', config, '--check-config']);
    assert.deepEqual([code, stdout, stderr], [0, 'the configuration is fine\n', '']);
  });
}

test('the SQL of the guide on identities makes roles and lets them do what it says', async () => {
  const { postgres } = server;
  const create = 'begin execute format($f$create role %I login$f$, name); return name; end';
  await postgres.admin(`
    create function pgaadauth_create_principal(name text, is_admin bool, is_mfa bool) returns text
      language plpgsql as $$ ${create} $$;
    create function pgaadauth_create_principal_with_oid(name text, oid text, kind text, is_admin bool, is_mfa bool)
      returns text language plpgsql as $$ ${create} $$`);
  await postgres.admin('create table orders (id int)', 'app');
  const blocks = blocksOf(readPage('docs/guides/identities.md')).filter(({ language }) => language === 'sql');
  assert.equal(blocks.length, 2);
  for (const { text } of blocks) {
    const [, database] = /^-- in database (\w+)/.exec(text) ?? [];
    await postgres.admin(text, database);
  }
  await postgres.admin('create table later (id int)', 'app');
  const rows = await postgres.admin(
    `select bool_and(has_table_privilege('orders-app', t, 'select, delete')) as may from unnest('{orders,later}'::text[]) t`,
    'app',
  );
  assert.deepEqual(rows, [{ may: true }]);
});
