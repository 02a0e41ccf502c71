import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMANDS } from '../../../src/commands/manual/commands.ts';
import { misspeltCommand } from '../../../src/commands/misspelt.ts';

test('the name of every command is known', () => {
  const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  for (const name of names.filter((one) => one !== 'run')) {
    const word = `${name}x`;
    assert.match(misspeltCommand(word) ?? '', new RegExp(`did you mean "${name}"`), name);
  }
});

test('a word that is one slip away from a command is answered with that', () => {
  for (const [word, name] of [
    ['chekc', 'check'],
    ['chck', 'check'],
    ['checkk', 'check'],
    ['docter', 'doctor'],
    ['wiat', 'wait'],
    ['exce', 'exec'],
    ['Shutdown', 'shutdown'],
    ['CONNECT', 'connect'],
  ] as const) {
    const said = misspeltCommand(word) ?? '';
    assert.ok(said.startsWith(`"${word}" is no command; did you mean "${name}"?`), said);
    assert.ok(said.endsWith(`pg-entra-proxy run ${word}`), said);
  }
});

test('help and version are flags', () => {
  assert.match(misspeltCommand('help') ?? '', /a flag: --help\./);
  assert.match(misspeltCommand('version') ?? '', /a flag: --version\./);
});

test('what may well be the name of a server is one', () => {
  for (const word of [
    'myserver',
    'orders',
    'ran',
    'sun',
    'wait2',
    'demo-1',
    'chekc.example',
    'chekc:5432',
    '',
  ])
    assert.equal(misspeltCommand(word), undefined, word);
});
