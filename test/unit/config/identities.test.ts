import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CLOUDS } from '../../../src/config/clouds.ts';
import { type ConfiguredIdentity, loadIdentities } from '../../../src/config/identities.ts';
import { UsageError } from '../../../src/errors.ts';
import { createTestFiles } from '../../support/files.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

/** What matters of each. */
function summary({ settings, scope, usedBy }: ConfiguredIdentity): unknown[] {
  return [settings.credential, settings.user, scope, usedBy];
}

function problemsOf(...args: Parameters<typeof loadIdentities>): readonly string[] {
  try {
    loadIdentities(...args);
    return [];
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems;
  }
}

test('without a server there is one identity, that of the settings', () => {
  const { identities, warnings } = loadIdentities([], { cloud: 'china' }, { PGEP_USER: 'x', PGEP_USR: 'y' });
  assert.deepEqual(identities.map(summary), [['default', 'x', CLOUDS.china.scope, undefined]]);
  assert.deepEqual([identities[0]?.cloud, warnings.length], [CLOUDS.china, 1]);
});

test('servers have an identity each, and client users that log in as others', async () => {
  const yaml =
    'client-users:\n  report: { user: R }\nservers:\n  - server: one\n  - server: two\n    credential: azure-cli\n    client-users:\n      old: { pass-through: true }\n';
  const config = await files.write('servers.yaml', yaml);
  const scope = CLOUDS.public.scope;
  assert.deepEqual(loadIdentities([], { config }, {}).identities.map(summary), [
    ['default', 'auto', scope, 'one.postgres.database.azure.com'],
    ['default', 'R', scope, 'client user report of one.postgres.database.azure.com'],
    ['azure-cli', 'auto', scope, 'two.postgres.database.azure.com'],
    ['azure-cli', 'R', scope, 'client user report of two.postgres.database.azure.com'],
  ]);
  const named = loadIdentities(["x?user=Y'Z"], {}, {}).identities.map(summary);
  assert.deepEqual(named, [['default', "Y'Z", scope, 'x.postgres.database.azure.com']]);
});

test('client users of a file without servers count too', async () => {
  const config = await files.write('users.yaml', 'client-users:\n  batch: { user: B }\n');
  assert.deepEqual(loadIdentities([], { config }, {}).identities.map(summary), [
    ['default', 'auto', CLOUDS.public.scope, 'all other client users'],
    ['default', 'B', CLOUDS.public.scope, 'client user batch'],
  ]);
});

test('what a token for another kind of server must be for is only known if it is said', () => {
  const flags = { preset: 'cockroachdb', credential: 'token-file', 'token-file': 't' };
  assert.equal(loadIdentities([], flags, {}).identities[0]?.scope, undefined);
  const scope = { preset: 'cockroachdb', scope: 'api://x/.default' };
  assert.equal(loadIdentities([], scope, {}).identities[0]?.scope, 'api://x/.default');
  assert.match(problemsOf([], { preset: 'cockroachdb' }, {}).join('\n'), /needs --scope/);
});

test('what does not go together is told, with a server or without', () => {
  const flags = { credential: 'azure-cli', 'client-id': 'x', 'object-id': 'y', cloud: 'mars' };
  for (const servers of [[], ['one']]) {
    const problems = problemsOf(servers, flags, {}).join('\n');
    assert.match(problems, /--cloud takes one of/);
    assert.match(problems, /--client-id does nothing with --credential azure-cli/);
    assert.match(problems, /--client-id and --object-id name the same identity/);
  }
  assert.match(
    problemsOf([], { preset: 'mars', credential: 'mars' }, {}).join('\n'),
    /--preset[^]*--credential|--credential[^]*--preset/,
  );
  assert.match(problemsOf([], { config: '/nowhere' }, {}).join('\n'), /cannot be read \(ENOENT\)/);
});
