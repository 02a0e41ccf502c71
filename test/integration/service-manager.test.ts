import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { missing } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';

const server = await startTestServer();
const files = await createTestFiles();
const args = await argumentsFor(server, files);
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

const PERL = 'perl';
const ANALYZE = 'systemd-analyze';

const skip = missing('systemd-notify') || missing(PERL);

/** Reads datagrams, which Node.js cannot; each becomes a line. */
const RECEIVER = `
use Socket;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
bind($socket, sockaddr_un($ARGV[0])) or die;
$| = 1;
print "bound\\n";
while (defined recv($socket, my $message, 4096, 0)) { $message =~ s/\\n/ /g; print "$message\\n"; }`;

interface Manager extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  /** What it was told, but for the barriers that systemd-notify itself puts in. */
  messages(): string[];
}

let managers = 0;

/** The end of a service manager that listens. */
async function startManager(): Promise<Manager> {
  managers += 1;
  const path = join(files.directory, `notify ${managers}`);
  const child = spawn(PERL, ['-e', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until('the receiver to listen', () => output.startsWith('bound\n'));
  return {
    env: { NOTIFY_SOCKET: path },
    messages: () => {
      const lines = output.split('\n').slice(1, -1);
      return lines.filter((line) => line !== 'BARRIER=1');
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function withToken(command: string): string[] {
  const credential = ['--credential', 'token-command', '--token-command', command];
  return args.toSpliced(args.indexOf('--credential'), 4, ...credential);
}

test('systemd is told of the start, of a reload, and of the stop; in this order', { skip }, async () => {
  await using manager = await startManager();
  const seen = join(files.directory, 'environment');
  const token = await files.write('token to print', server.token);
  const command = `sh -c 'env >"${seen}"; cat "${token}"'`;
  await using program = await startListening(withToken(command), manager.env);
  await until('READY', () => manager.messages().length === 1);
  program.child.kill('SIGHUP');
  await until('READY again', () => manager.messages().length === 3);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  await until('STOPPING', () => manager.messages().length === 4);
  const [ready, reloading, again, stopping] = manager.messages();
  assert.deepEqual([ready, again, stopping], ['READY=1', 'READY=1', 'STOPPING=1']);
  assert.match(reloading ?? '', /^RELOADING=1 MONOTONIC_USEC=\d+$/);
  assert.doesNotMatch(await readFile(seen, 'utf8'), /NOTIFY_SOCKET/);
});

test('READY waits for the first token; the watchdog is told meanwhile', { skip }, async () => {
  await using manager = await startManager();
  const pipe = join(files.directory, 'token pipe');
  await promisify(execFile)('mkfifo', [pipe]);
  const watchdog = { ...manager.env, WATCHDOG_USEC: '100000' };
  await using program = await startListening(withToken(`cat "${pipe}"`), watchdog);
  const pings = (): number => manager.messages().filter((message) => message === 'WATCHDOG=1').length;
  await until('some pings', () => pings() >= 3);
  assert.ok(!manager.messages().includes('READY=1'));
  await writeFile(pipe, server.token);
  await until('READY', () => manager.messages().includes('READY=1'));
  assert.equal(program.child.exitCode, null);
});

test('without a token the start is ready all the same; a watchdog of another process is left alone', {
  skip,
}, async () => {
  await using manager = await startManager();
  const others = { ...manager.env, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' };
  await using program = await startListening(withToken('false'), others);
  await program.find('token-failed');
  await until('READY', () => manager.messages().length > 0);
  program.child.kill('SIGTERM');
  await until('STOPPING', () => manager.messages().length > 1);
  assert.deepEqual(manager.messages(), ['READY=1', 'STOPPING=1']);
});

test('where systemd-notify is missing that is told once, and all else works', async () => {
  const socket = { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '20000', PATH: '/nowhere' };
  await using program = await startListening(args, socket);
  const { msg } = await program.find('notify-failed');
  assert.match(String(msg), /cannot tell systemd.*ENOENT/);
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal(program.stderr.match(/notify-failed/g)?.length, 1);
});

test('the example units are what systemd takes', { skip: missing(ANALYZE) }, async () => {
  for (const name of ['pg-entra-proxy.service', 'pg-entra-proxy.socket']) {
    const path = new URL(`../../deploy/systemd/${name}`, import.meta.url);
    const unit = (await readFile(path, 'utf8')).replaceAll('/usr/local/bin/pg-entra-proxy', process.execPath);
    await files.write(name, unit, 0o644);
  }
  const units = ['service', 'socket'].map((type) => join(files.directory, `pg-entra-proxy.${type}`));
  const { status, stderr } = spawnSync(ANALYZE, ['verify', ...units], { encoding: 'utf8' });
  const warnings = stderr.split('\n').filter((line) => line.includes('pg-entra-proxy'));
  assert.deepEqual([status, warnings], [0, []]);
});
