import { execFile } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { promisify } from 'node:util';
import type { Stage } from './stage.ts';

/** What ran where. */
export interface Versions {
  readonly node: string;
  readonly postgres: string;
  readonly pgbench: string | undefined;
  readonly stunnel: string | undefined;
  readonly pgbouncer: string | undefined;
  readonly linux: string;
  readonly cpu: string;
  readonly cpuCount: number;
}

export async function readVersions(
  stage: Stage,
  programs: Readonly<Record<'pgbench' | 'stunnel' | 'pgbouncer', string | undefined>>,
): Promise<Versions> {
  return {
    node: process.version,
    postgres: stage.serverLabel,
    pgbench: await versionOf(programs.pgbench, '--version'),
    stunnel: await versionOf(programs.stunnel, '-version'),
    pgbouncer: await versionOf(programs.pgbouncer, '--version'),
    linux: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpuCount: availableParallelism(),
  };
}

/** The first number with dots in what a program says of itself. */
async function versionOf(path: string | undefined, flag: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { stdout, stderr } = await promisify(execFile)(path, [flag]);
  return /\d+\.\d+(?:\.\d+)?/.exec(`${stdout}${stderr}`)?.[0];
}
