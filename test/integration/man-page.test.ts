import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { flagsOf } from '../../src/commands/manual/command.ts';
import { COMMANDS } from '../../src/commands/manual/commands.ts';
import { envName } from '../../src/config/load.ts';
import { SETTING_NAMES } from '../../src/config/settings.ts';
import { missing } from '../support/clients.ts';

const PAGE = fileURLToPath(new URL('../../man/pg-entra-proxy.1', import.meta.url));

const ENV = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', MANWIDTH: '400', MAN_KEEP_FORMATTING: '' };

test('man shows the page without a warning, and as it is meant', { skip: missing('man') }, async () => {
  const { stdout, stderr } = await promisify(execFile)('man', ['--warnings', '-l', PAGE], { env: ENV });
  assert.equal(stderr, '');
  for (const heading of ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'COMMANDS', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES'])
    assert.match(stdout, new RegExp(`^${heading}$`, 'm'));
  for (const command of COMMANDS) {
    for (const { line } of command.examples) assert.ok(stdout.includes(` ${line}\n`), line);
    for (const { name } of flagsOf(command)) assert.ok(stdout.includes(`--${name}`), name);
    for (const text of command.synopsis) assert.ok(stdout.includes(`pg-entra-proxy ${text}\n`), text);
  }
  for (const name of SETTING_NAMES)
    assert.ok(stdout.includes(`; ${envName(name)}; `) || stdout.includes(`(${envName(name)}; `), name);
  // What roff would take for something else stands there as it was written.
  assert.ok(stdout.includes("sh -c '...'"));
  assert.ok(stdout.includes('.s.PGSQL.PORT'));
});

test('man can tell what the page is about', { skip: missing('lexgrog') }, async () => {
  const { stdout } = await promisify(execFile)('lexgrog', [PAGE], { env: ENV });
  assert.match(stdout, /: "pg-entra-proxy - PostgreSQL on Azure /);
});

test('the page is plain ASCII, in short lines', () => {
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    assert.match(line, /^[\x20-\x7e]*$/);
    assert.ok(line.length < 200, line);
  }
});
