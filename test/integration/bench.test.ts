import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../bench/report/report.ts';
import { createTestFiles } from '../support/files.ts';
import { until } from '../support/wait.ts';

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const PEERS = ['--without', 'stunnel', '--without', 'pgbouncer'];
const VARIANTS = ['--variant', 'terse=--log-level error', '--variant', 'mistaken=--mistaken-flag'];
const ON_LINUX = { skip: process.platform === 'linux' ? false : 'the benchmark reads /proc' };

/** Runs the benchmark with a directory for temporary files that should be empty after it. */
async function startBench(args: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'pgeb-'));
  // PostgreSQL may run as another user, who must be able to go through it.
  await chmod(directory, 0o711);
  const child = spawn(process.execPath, [MAIN, '--quick', '--only', 'start', ...PEERS, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return {
    child,
    output,
    directory,
    closed: once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

test(
  'the benchmark measures the compiled program, tells what fails, writes JSON, and leaves nothing',
  ON_LINUX,
  async () => {
    await using files = await createTestFiles();
    const json = join(files.directory, 'report.json');
    await using bench = await startBench(['--markdown', ...VARIANTS, '--json', json]);
    const [code] = await bench.closed;
    assert.equal(code, 1, bench.output.stderr);
    assert.match(bench.output.stdout, /^\| start: .* \| ms to listening \| proxy \| \d+ \|/m);
    assert.match(bench.output.stdout, /^Targets:$/m);
    assert.match(bench.output.stdout, /^Failed:\n- mistaken, start, .*:\n?[^]*mistaken-flag/m);
    const report: Report = JSON.parse(await readFile(json, 'utf8'));
    const measured = new Set(
      report.samples.filter(({ values }) => (values.rssMb ?? 0) > 10).map(({ contender }) => contender),
    );
    for (const name of ['proxy', 'terse', 'proxy, Entra']) assert.ok(measured.has(name), name);
    assert.equal(report.versions.node, process.version);
    assert.deepEqual(await readdir(bench.directory), []);
  },
);

test('Ctrl-C ends the benchmark and all that it started', ON_LINUX, async () => {
  await using bench = await startBench([]);
  await until(
    'the first round',
    () => /round 1/.test(bench.output.stderr) || bench.child.exitCode !== null,
    60_000,
  );
  bench.child.kill('SIGINT');
  const [code] = await bench.closed;
  assert.equal(code, 130, bench.output.stderr);
  assert.deepEqual(await readdir(bench.directory), []);
  // All that it starts has a path of that directory on its command line.
  await until('its processes to be gone', async () => (await commandLinesWith(bench.directory)).length === 0);
});

async function commandLinesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.includes(text));
}
