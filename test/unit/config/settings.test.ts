import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { SETTINGS, type Setting } from '../../../src/config/settings.ts';
import { temporaryDirectory } from '../tokens.ts';

const all: [string, Setting<unknown>][] = Object.entries(SETTINGS);

test('every default is a value that its own setting takes', () => {
  for (const [name, { default: text, parse }] of all) {
    if (text !== undefined) assert.doesNotThrow(() => parse(text), name);
  }
});

test('every setting says what it is for, on one line', () => {
  for (const [name, { help }] of all) assert.match(help, /^.{5,250}$/, name);
});

test('every setting takes any text, or refuses it with an Error that says something', () => {
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.string({ unit: 'binary' }), ([name, { parse }], text) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof Error && error.message !== '', name);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a switch is on or off in the usual words, and nothing else', () => {
  const { parse } = SETTINGS['fail-fast'];
  assert.deepEqual(['true', '1', 'yes', 'on'].map(parse), [true, true, true, true]);
  assert.deepEqual(['false', '0', 'no', 'off'].map(parse), [false, false, false, false]);
  assert.throws(() => parse('maybe'), /true or false, not "maybe"/);
  // PGEP_SAME_USER= and ?same-user say nothing that could take the place of what another says.
  assert.throws(() => parse(''), /true or false, not ""/);
});

test('roots that cannot be read are told with the configuration, not at the first session', async () => {
  await using directory = await temporaryDirectory();
  const empty = join(directory.path, 'empty.pem');
  await writeFile(empty, '');
  const { parse } = SETTINGS.ca;
  assert.throws(() => parse(empty), /holds no PEM certificate/);
  assert.throws(() => parse(join(directory.path, 'absent.pem')), /ENOENT/);
  assert.throws(() => parse(''), /needs a value/);
  assert.equal(parse('bundled'), 'bundled');
});

test('no setting turns verification off', () => {
  const names = all.map(([name]) => name).join(' ');
  assert.doesNotMatch(names, /insecure|no-verify|skip|ssl-?mode|reject/);
  assert.throws(() => SETTINGS['tls-min'].parse('1.1'));
});
