import { spawn } from 'node:child_process';
import { glob, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { superviseChild } from '../src/demo/child-process.ts';
import type { Stage } from './stage.ts';
import type { Target } from './wire/target.ts';

/** As many as the machine for which the targets were set has cores. */
const MAX_THREADS = 2;

/** A pgbench run with its progress, once a second. */
export interface PgbenchRun {
  /** Of each transaction, in milliseconds. */
  readonly latencies: Float64Array;
  /** Of the time between the first and the last progress line: all clients were logged in then. */
  readonly transactions: number;
  readonly seconds: number;
}

interface PgbenchOptions {
  readonly clients: number;
  /** 3 or more. */
  readonly seconds: number;
  /** Called at the first and at the last progress line. */
  readonly onProgress: () => void;
}

/** Fills the database; the role of the benchmark owns the tables. */
export async function initializePgbench(program: string, target: Target, stage: Stage, scale: number) {
  const child = superviseChild(
    spawn(program, ['-i', '-q', '-s', String(scale)], {
      env: clientEnvironment(target, stage),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const { code, reason } = await child.closed;
  if (code !== 0) throw new Error(`pgbench -i failed (${reason}): ${child.output()}`);
}

/** `pgbench -S -M prepared` for so long. */
export async function runPgbench(
  program: string,
  target: Target,
  stage: Stage,
  { clients, seconds, onProgress }: PgbenchOptions,
): Promise<PgbenchRun> {
  const prefix = join(stage.directory, 'pgbench_log');
  const load = ['-c', String(clients), '-j', String(Math.min(clients, MAX_THREADS)), '-T', String(seconds)];
  const args = ['-n', '-S', '-M', 'prepared', ...load, '-P', '1', '-l', `--log-prefix=${prefix}`];
  const pgbench = spawn(program, args, {
    env: clientEnvironment(target, stage),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const child = superviseChild(pgbench);
  const progress: Progress[] = [];
  createInterface({ input: pgbench.stderr }).on('line', (line) => {
    const parsed = parseProgress(line);
    if (parsed === undefined) return;
    progress.push(parsed);
    if (progress.length === 1 || progress.length === seconds - 1) onProgress();
  });
  const { code, reason } = await child.closed;
  const logs: string[] = [];
  for await (const log of glob(`${prefix}.*`)) logs.push(log);
  try {
    if (code !== 0) throw new Error(`pgbench failed (${reason}): ${child.output()}`);
    const texts = await Promise.all(logs.map((log) => readFile(log, 'latin1')));
    return {
      latencies: Float64Array.from(texts.flatMap(parseLog)),
      ...between(progress.slice(0, seconds - 1)),
    };
  } finally {
    await Promise.all(logs.map((log) => rm(log)));
  }
}

interface Progress {
  /** Since the start. */
  readonly atSeconds: number;
  /** Since the line before. */
  readonly tps: number;
}

/** Reads such as `progress: 2.0 s, 14956.0 tps, lat 0.534 ms stddev 0.123, 0 failed`. */
export function parseProgress(line: string): Progress | undefined {
  const [, at, tps] = /^progress: ([\d.]+) s, ([\d.]+) tps/.exec(line) ?? [];
  return at === undefined || tps === undefined ? undefined : { atSeconds: Number(at), tps: Number(tps) };
}

/** What happened between the first and the last of these lines. */
export function between(progress: readonly Progress[]): Pick<PgbenchRun, 'transactions' | 'seconds'> {
  let transactions = 0;
  let seconds = 0;
  progress.forEach(({ atSeconds, tps }, index) => {
    const previous = progress[index - 1];
    if (previous === undefined) return;
    transactions += tps * (atSeconds - previous.atSeconds);
    seconds += atSeconds - previous.atSeconds;
  });
  return { transactions, seconds };
}

/**
 * Reads a transaction log: lines of client, number, time in microseconds, script, and a timestamp.
 *
 * @returns milliseconds of each transaction.
 * @see https://www.postgresql.org/docs/15/pgbench.html#id-1.9.4.11.9.8
 */
export function parseLog(text: string): number[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split(' ', 3)[2]) / 1000);
}

/** libpq's settings; the password in the environment, where other users cannot read it. */
function clientEnvironment({ host, port, role, database, password, tls }: Target, stage: Stage) {
  const common = {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    PGPORT: String(port),
    PGUSER: role,
    PGDATABASE: database,
    PGPASSWORD: password,
    PGGSSENCMODE: 'disable',
  };
  if (tls === undefined) return { ...common, PGHOST: host, PGSSLMODE: 'disable' };
  const verify = { PGSSLMODE: 'verify-full', PGSSLROOTCERT: stage.caFile };
  return { ...common, ...verify, PGHOST: tls.serverName, PGHOSTADDR: host };
}
