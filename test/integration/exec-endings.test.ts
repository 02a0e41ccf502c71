import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { missing } from '../support/clients.ts';
import { quoted, shellLine, startExecBench } from '../support/exec.ts';
import { type Program, startProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';

const bench = await startExecBench();
after(() => bench[Symbol.asyncDispose]());

/** A command that tells of each signal it gets, and ends at SIGTERM; says `ready` and its process ID first. */
const LISTENER = `
count=0
trap 'count=$((count + 1)); echo "INT $count"' INT
trap 'echo QUIT' QUIT
trap 'echo HUP' HUP
trap 'echo USR1' USR1
trap 'echo USR2' USR2
trap 'echo "ends after $count"; exit 9' TERM
echo "ready $$"
while :; do read -r line; done <"$PIPE"`;

/** A FIFO that nobody writes to: a shell that reads it waits without another process, and hears signals. */
async function startListener(): Promise<Program> {
  const pipe = `${bench.files.directory}/pipe`;
  if (!existsSync(pipe)) await promisify(execFile)('mkfifo', [pipe]);
  const script = LISTENER.replace('<"$PIPE"', `<>${quoted(pipe)}`);
  const program = bench.start([], ['sh', '-c', script]);
  await until('the command to listen', () => program.stdout.includes('ready'));
  return program;
}

function pidIn(output: string): number {
  return Number(/ready (\d+)/.exec(output)?.[1]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Where the tests run in a terminal, what its keys send is taken for having reached the command already. */
const KEYS = hasTerminal() ? [] : ['INT', 'QUIT'];

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

test('signals are passed on, each once; the command decides, and exec ends with its status', async () => {
  await using program = await startListener();
  const names = [...KEYS, 'HUP', 'USR1', 'USR2'];
  for (const name of names) {
    program.child.kill(`SIG${name}` as NodeJS.Signals);
    await until(`SIG${name} to arrive`, () => program.stdout.includes(name));
  }
  assert.equal(program.child.exitCode, null);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 9, signal: null });
  const [, ...lines] = program.stdout.trimEnd().split('\n');
  const interrupts = KEYS.length === 0 ? 0 : 1;
  const heard = names.map((name) => (name === 'INT' ? 'INT 1' : name));
  assert.deepEqual(lines, [...heard, `ends after ${interrupts}`]);
  assert.deepEqual(bench.left(), []);
});

test('a command that is killed leaves nothing behind', async () => {
  await using program = await startListener();
  assert.equal(bench.left().length, 1);
  process.kill(pidIn(program.stdout), 'SIGKILL');
  assert.deepEqual(await program.exit, { code: 137, signal: null });
  assert.deepEqual(bench.left(), []);
});

test('a signal that comes before there is a token ends it, and the command never starts', async () => {
  const args = bench.args([], ['echo', 'started']);
  const credential = args.indexOf('--credential');
  const sign = join(bench.files.directory, 'token command runs');
  const tokenCommand = `sh -c 'touch "${sign}"; sleep 60'`;
  const slow = ['--credential', 'token-command', '--token-command', tokenCommand];
  await using program = startProgram(args.toSpliced(credential, 4, ...slow), bench.env);
  await until('the token command to run', () => existsSync(sign));
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 143, signal: null });
  assert.equal(program.stdout, '');
  assert.deepEqual(bench.left(), []);
});

test('what a command leaves running loses its session when the command has ended', async () => {
  const pidFile = `${bench.files.directory}/left.pid`;
  const orphan = `psql -XAtc 'select pg_sleep(60)' >/dev/null 2>&1 & echo $! >${quoted(pidFile)}`;
  const running =
    "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()";
  const script = `${orphan}; until [ "$(psql -XAtc "${running}")" = 1 ]; do :; done; exit 3`;
  await using program = bench.start(['--drain-timeout', '100ms'], ['sh', '-c', script]);
  assert.deepEqual(await program.exit, { code: 3, signal: null });
  assert.match(program.stderr, /the command has ended, and left 1 sessions: cut/);
  const pid = Number(await readFile(pidFile, 'utf8'));
  await until('the orphan to hear of it', () => !isAlive(pid));
  assert.deepEqual(bench.left(), []);
});

const SCRIPT = '/usr/bin/script';

/** A command that counts each SIGINT, and at SIGTERM still wants to know something of the database. */
const COUNTER = `
const { execFileSync } = require('node:child_process');
let count = 0;
process.on('SIGINT', () => console.log('INT ' + (count += 1)));
process.on('SIGTERM', () => {
  const answer = execFileSync('psql', ['-XAtc', 'select 40 + 2'], { encoding: 'utf8' }).trim();
  console.log('answer ' + answer + ' after ' + count);
  process.exit(9);
});
setInterval(() => {}, 1e6);
console.log(process.stdin.isTTY && process.stdout.isTTY ? 'ready in a terminal' : 'ready without one');`;

test('in a terminal, Ctrl-C reaches the command once, and the proxy serves until the command ends', {
  skip: (!existsSync(SCRIPT) && 'script(1) is not installed') || missing('psql'),
}, async () => {
  const line = shellLine(bench.args([], [process.execPath, '-e', COUNTER]));
  const terminal = spawn(SCRIPT, ['-qec', `exec ${line}`, '/dev/null'], {
    env: { PATH: process.env['PATH'], SHELL: '/bin/sh', ...bench.env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let output = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = once(terminal, 'close');
  // With its terminal gone, everything in it ends.
  await using _ = { [Symbol.asyncDispose]: async () => void (terminal.kill('SIGKILL'), await ended) };
  await until('the command to listen', () => output.includes('ready'));
  terminal.stdin.write('\x03');
  await until('Ctrl-C to arrive', () => output.includes('INT 1'));
  const children = await readFile(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8');
  process.kill(Number(children.trim()), 'SIGTERM');
  assert.equal((await ended)[0], 9);
  assert.match(output, /^ready in a terminal\r\n\^CINT 1\r\nanswer 42 after 1\r\n/);
  assert.deepEqual(bench.left(), []);
});
