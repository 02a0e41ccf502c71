import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { parseChoice } from '../../../src/config/parsers.ts';
import { SETTING_NAMES } from '../../../src/config/settings.ts';
import { didYouMean } from '../../../src/config/suggestion.ts';
import { UsageError } from '../../../src/errors.ts';
import { createTestFiles } from '../../support/files.ts';

function meant(word: string): string {
  return didYouMean(word, SETTING_NAMES, (name) => `--${name}`);
}

function problemsOf(servers: readonly string[], flags: Readonly<Record<string, string>>): string {
  try {
    loadConfig(servers, flags, {});
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems.join('\n');
  }
  return assert.fail('no problem was found');
}

test('a mistyped setting is answered with the one that is nearest', () => {
  for (const [word, name] of [
    ['prot', 'port'],
    ['Port', 'port'],
    ['adress', 'address'],
    ['unix_socket', 'unix-socket'],
    ['LOG_LEVLE', 'log-level'],
    ['upstreamAddress', 'upstream-address'],
    ['max-session', 'max-sessions'],
  ] as const)
    assert.equal(meant(word), `; did you mean --${name}?`);
});

test('a part of a name is answered with those that have it', () => {
  assert.equal(meant('upstream'), '; did you mean --upstream-address or --upstream-port?');
  assert.equal(meant('cert'), '; did you mean --local-tls-cert?');
  assert.equal(meant('secret'), '; did you mean --client-secret-file?');
});

test('a word that is like no setting is answered with none', () => {
  for (const word of ['', 'q', 'xyzzy', 'sslmode', 'user-name-of-mine', '%$#', '-'.repeat(1_000)])
    assert.equal(meant(word), '', word);
});

test('a choice is answered with the nearest, unless it is a number', () => {
  const parse = parseChoice(['public', 'usgov', 'china']);
  assert.throws(() => parse('usgv'), { message: /not "usgv"; did you mean "usgov"\?$/ });
  assert.throws(() => parse('moon'), { message: /not "moon"$/ });
  assert.throws(() => parseChoice(['1.2', '1.3'])('1.1'), { message: /not "1\.1"$/ });
});

test('flags, queries and keys of the file are told what they may have been meant to be', async () => {
  await using files = await createTestFiles();
  const config = await files.write(
    'odd.yaml',
    'client-user: {}\nservers:\n  - { server: a, client_users: {}, fail-fats: 1 }\nclient-users: { x: { clientid: y, passthrough: true } }\n',
  );
  const problems = problemsOf([], { config, 'tls-mni': '1.2', credential: 'azure-cil' });
  for (const problem of [
    '--tls-mni is not a flag of pg-entra-proxy; did you mean --tls-min?',
    '--credential takes one of',
    'not "azure-cil"; did you mean "azure-cli"?',
    'client-user is not a setting of pg-entra-proxy; did you mean "client-users"?',
    'client_users is not a setting of pg-entra-proxy; did you mean "client-users"?',
    'clientid is not a setting of pg-entra-proxy; did you mean "client-id"?',
    'passthrough is not a setting of pg-entra-proxy; did you mean "pass-through"?',
  ])
    assert.ok(problems.includes(problem), `${problem}\nis missing in\n${problems}`);
  // A setting of the whole program is none of a server's, and not what was meant there.
  assert.match(problems, /fail-fats is not a setting of pg-entra-proxy$/m);
  assert.match(problemsOf(['a?prot=1'], {}), /a\?prot is not a setting .*; did you mean "port"\?/);
});
