import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgsStringToArgv } from 'string-argv';
import { flagsOf } from '../../src/commands/manual/command.ts';
import { COMMANDS } from '../../src/commands/manual/commands.ts';
import { runProgram } from '../support/program.ts';

const MAX_COLUMNS = 100;

const ESCAPE = '\u001b[';

const NAMED = COMMANDS.flatMap((command) =>
  [command.name, ...(command.aliases ?? [])].map((name) => ({ name, command })),
);

for (const { name, command } of NAMED) {
  test(`${name} --help has usage, every flag and examples, within ${MAX_COLUMNS} columns`, async () => {
    // FORCE_COLOR is for terminals, too.
    const { code, stdout, stderr } = await runProgram([name, '--help'], { FORCE_COLOR: '3' });
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.startsWith('Usage:\n  pg-entra-proxy '), stdout);
    for (const line of stdout.split('\n')) {
      assert.ok(line.length <= MAX_COLUMNS, `${line.length} columns: ${line}`);
      assert.equal(line, line.trimEnd());
    }
    for (const flag of flagsOf(command))
      assert.match(stdout, new RegExp(`^  (?:-h, )?--${flag.name}\\b`, 'm'));
    for (const { line } of command.examples) assert.ok(stdout.includes(`\n  ${line}\n`), line);
    assert.ok(!stdout.includes(ESCAPE));
  });
}

test('the groups of flags stand in one order everywhere, those of the command itself first', async () => {
  const order = ['Listen', 'Identity', 'Upstream', 'Life', 'Admin', 'Output'];
  for (const { command } of NAMED) {
    const groups = [...new Set(flagsOf(command).map(({ group }) => group))];
    const own = command.options === undefined ? [] : [`Of ${command.name}`];
    assert.deepEqual(groups, [...own, ...order.filter((group) => groups.includes(group))]);
  }
  const { stdout } = await runProgram(['-h']);
  assert.deepEqual([...stdout.matchAll(/^([A-Z]\w+):$/gm)].map(([, group]) => group).slice(1, 7), order);
});

test('without a command, all commands are told', async () => {
  const { stdout } = await runProgram(['--help']);
  for (const { name, aliases = [], summary } of COMMANDS) {
    const row = new RegExp(`^  ${[name, ...aliases].join(', ')} +${summary.slice(0, 30)}`, 'm');
    assert.match(stdout, row);
  }
});

test('every example is a command line with flags that its command takes', () => {
  for (const command of COMMANDS) {
    for (const { line } of command.examples) {
      // As far as the end of $(...), a pipe, a file, or the command behind --.
      const [text] = /pg-entra-proxy.*?(?=[)|>]| -- |$)/.exec(line) ?? [];
      if (text === undefined) continue;
      const [, name, ...words] = parseArgsStringToArgv(text);
      const flags = [name ?? '', ...words].filter((word) => word.startsWith('--'));
      assert.equal(COMMANDS.find((one) => one.name === name) ?? COMMANDS[0], command, line);
      const known = flagsOf(command).map((flag) => `--${flag.name}`);
      for (const flag of flags) assert.ok(known.includes(flag), `${flag} in ${line}`);
    }
  }
});
