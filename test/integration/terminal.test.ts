import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { MAIN } from '../support/program.ts';
import { NO_TERMINAL, Terminal } from '../support/shells.ts';

const ESCAPE = '\u001b[';

interface TerminalCase {
  readonly where: string;
  readonly env: Readonly<Record<string, string>>;
  readonly isBold: boolean;
}

const TERMINALS: readonly TerminalCase[] = [
  { where: 'on a terminal', env: { TERM: 'xterm' }, isBold: true },
  { where: 'with NO_COLOR', env: { TERM: 'xterm', NO_COLOR: '1' }, isBold: false },
  { where: 'on a terminal that knows no colours', env: { TERM: 'dumb' }, isBold: false },
];

for (const { where, env, isBold } of TERMINALS) {
  test(`${where}, headings are ${isBold ? 'bold' : 'plain'}, and lines as narrow as the terminal`, {
    skip: NO_TERMINAL,
  }, async () => {
    const command = `stty cols 72; exec '${process.execPath}' '${MAIN}' wait --help`;
    await using terminal = new Terminal(command, env);
    const shown = await terminal.end();
    assert.equal(shown.includes(`${ESCAPE}1mUsage:${ESCAPE}22m`), isBold, shown);
    assert.equal(shown.includes(ESCAPE), isBold);
    assert.match(shown, /--timeout DURATION {2}how long/);
    for (const line of shown.split('\r\n')) assert.ok(stripVTControlCharacters(line).length <= 72, line);
  });
}

test('a terminal that does not tell its width gets full lines', { skip: NO_TERMINAL }, async () => {
  const command = `stty cols 0; exec '${process.execPath}' '${MAIN}' wait --help`;
  await using terminal = new Terminal(command, {});
  const lengths = (await terminal.end()).split('\r\n').map((line) => line.length);
  assert.ok(Math.max(...lengths) > 90 && Math.max(...lengths) <= 100, lengths.join());
});

for (const { where, env, isBold } of TERMINALS) {
  test(`${where}, log lines are ${isBold ? 'coloured' : 'plain'}`, { skip: NO_TERMINAL }, async () => {
    const args = "run db.example --port 0 --credential token-file --token-file '/nowhere/token'";
    await using terminal = new Terminal(`exec '${process.execPath}' '${MAIN}' ${args}`, env);
    await terminal.shows(/listening on/);
    assert.equal(terminal.shown.includes(ESCAPE), isBold, terminal.shown);
  });
}
