import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../../src/errors.ts';
import { type LocalUsers, saltFor } from '../../../src/local/local-users.ts';
import { isPasswordOf } from '../../../src/local/scram-verifier.ts';
import { loadLocalUsers, parseUsers } from '../../../src/local/users-file.ts';
import { createTestFiles, type TestFiles } from '../../support/files.ts';

const SECRET = Buffer.alloc(32, 1);
const VERIFIER =
  'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$' +
  'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';

async function load(files: TestFiles, text: string | Buffer): Promise<LocalUsers> {
  return loadLocalUsers(await files.write('userlist.txt', text as string), SECRET);
}

async function problemsOf(files: TestFiles, text: string | Buffer): Promise<readonly string[]> {
  const error = await load(files, text).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof UsageError, String(error));
  return error.problems.map((problem) => problem.replace(`${files.directory}/`, ''));
}

async function accepts(users: LocalUsers, user: string, password: string): Promise<boolean> {
  const { isKnown, verifier } = users.find(user);
  return isKnown && isPasswordOf(verifier, Buffer.from(password));
}

test('users with plain passwords and with verifiers are read, and what PgBouncer passes over is passed over', async () => {
  await using files = await createTestFiles();
  const users = await load(
    files,
    [
      '\ufeff; who may connect',
      '',
      '"app" "secret"',
      `\t"verified"  \t "${VERIFIER}" "and more" that nobody reads`,
      '  ;"commented" "out"',
      '"with ""quotes""" "so ""it"" is" ; a remark',
      '"r\u00e9my" "\u00e9t\u00e9;"',
      '"md5" "md5 is short"',
      '',
    ].join('\r\n'),
  );
  assert.equal(users.count, 5);
  assert.ok(await accepts(users, 'app', 'secret'));
  assert.ok(await accepts(users, 'verified', 'pencil'));
  assert.ok(await accepts(users, 'with "quotes"', 'so "it" is'));
  assert.ok(await accepts(users, 'r\u00e9my', '\u00e9t\u00e9;'));
  assert.ok(await accepts(users, 'md5', 'md5 is short'));
  assert.ok(!(await accepts(users, 'commented', 'out')));
  assert.ok(!(await accepts(users, 'verified', VERIFIER)), 'a verifier is no password');
});

test('any users and passwords survive being written and read', () => {
  const text = fc
    .string({ minLength: 1, maxLength: 12, unit: 'binary' })
    .filter((one) => !/[\0\r\n\u{fffd}]/u.test(one) && Buffer.from(one).toString() === one);
  const secret = text.filter((one) => !/^(?:md5|SCRAM-)/.test(one));
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(text, secret), { selector: ([user]) => user, maxLength: 5 }),
      (pairs) => {
        const quoted = (one: string): string => `"${one.replaceAll('"', '""')}"`;
        const { entries, problems } = parseUsers(pairs.map((pair) => pair.map(quoted).join(' ')).join('\n'));
        assert.deepEqual(problems, []);
        assert.deepEqual(
          entries,
          pairs.map(([user, password]) => ({ user, secret: password })),
        );
      },
    ),
  );
});

test('every problem is told with file and line, and nothing of what the file says', async () => {
  await using files = await createTestFiles();
  const lines = [
    'hunter2',
    '"hunter2"',
    '"hunter2" hunter2',
    'hunter2 "hunter2"',
    '"hunter2""hunter2"',
    '"hunter2" "hunter2',
    '"hunter2" "hun"ter2"',
    '"hunter2" "hunter2"hunter2',
    '"" "hunter2"',
    '"hunter2" ""',
    `"hunter2" "md5${'0af'.repeat(11).slice(1)}"`,
    `"hunter2" "${VERIFIER.slice(0, -1)}"`,
    '"hunter2" "hun\0ter2"',
    '"hunter2" "hunter2"',
    '"hunter2" "hunter2" ; again',
    '# hunter2',
  ];
  const problems = await problemsOf(files, lines.join('\n'));
  const form = 'not "user" "password", each quote inside doubled';
  assert.deepEqual(problems, [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((line) => `userlist.txt:${line}: ${form}`),
    'userlist.txt:9: an empty user',
    'userlist.txt:10: an empty password, with which nobody can log in',
    'userlist.txt:11: an MD5 hash, which is of no use: give the password, or a verifier (password_encryption = scram-sha-256)',
    'userlist.txt:12: a SCRAM-SHA-256 verifier that is incomplete or damaged',
    'userlist.txt:13: a zero byte, which neither a user nor a password can have',
    'userlist.txt:15: the same user as in line 14',
    `userlist.txt:16: ${form}`,
  ]);
  assert.ok(!problems.join('\n').includes('hunter2'));
});

test('a plain password gets the salt that its user would have without it, a verifier keeps its own', async () => {
  await using files = await createTestFiles();
  const users = await load(files, `"app" "secret"\n"verified" "${VERIFIER}"\n`);
  assert.deepEqual(users.find('app').verifier.salt, saltFor('app', SECRET));
  assert.equal(users.find('verified').verifier.salt.toString('base64'), 'W22ZaJ0SNY7soEsUEjb6gQ==');
});

test('a file that is not UTF-8 is refused', async () => {
  await using files = await createTestFiles();
  const latin1 = Buffer.from('"app" "secret"\n"r\u00e9my" "secret"\n', 'latin1');
  assert.deepEqual(await problemsOf(files, latin1), ['userlist.txt:2: not UTF-8']);
});

test('a file without users is refused, because nobody could connect', async () => {
  await using files = await createTestFiles();
  for (const text of ['', '\n\n', '; "app" "secret"\n']) {
    assert.deepEqual(await problemsOf(files, text), [
      'userlist.txt: it names no user, so nobody could connect',
    ]);
  }
});

test('a file of 1 MiB is read, one byte more is refused', async () => {
  await using files = await createTestFiles();
  const ofLength = (length: number): string => '"app" "secret"\n'.padEnd(length, ';');
  assert.equal((await load(files, ofLength(1_048_576))).count, 1);
  for (const length of [1_048_577, 2_000_000]) {
    assert.deepEqual(await problemsOf(files, ofLength(length)), ['userlist.txt: longer than 1048576 bytes']);
  }
});

test('a file that others may read is refused, with how to mend it', {
  skip: process.platform === 'win32',
}, async () => {
  await using files = await createTestFiles();
  const path = await files.write('userlist.txt', '"app" "secret"\n');
  await chmod(path, 0o644);
  await assert.rejects(loadLocalUsers(path, SECRET), {
    name: 'UsageError',
    message:
      /^other users of this machine may read or change the local users file .*: its mode is 0644\. Run chmod/,
  });
});

test('a file that is not there is a problem of --local-users-file', async () => {
  await using files = await createTestFiles();
  await assert.rejects(loadLocalUsers(join(files.directory, 'none'), SECRET), {
    name: 'UsageError',
    message: /^cannot read the local users file .*none: ENOENT\. Check --local-users-file/,
  });
});

test('a line made to be slow to read is read in no time', () => {
  const start = performance.now();
  for (const line of [`"${'""'.repeat(30_000)}`, `"a"${' '.repeat(60_000)}x`, `${' '.repeat(60_000)}x`]) {
    assert.equal(parseUsers(line).problems.length, 1);
  }
  assert.ok(performance.now() - start < 500);
});
