import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Why a test that needs a client program must be skipped here; false when it need not. */
export function missing(program: string): string | false {
  return spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;
}

const ENVIRONMENT = {
  PATH: process.env['PATH'] ?? '',
  PGHOST: '127.0.0.1',
  PGDATABASE: 'app',
  PGUSER: 'anyone',
};

/** Runs a PostgreSQL client program against a port, without a password; rejects if it fails. */
export function runClient(
  program: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(program, args, {
    env: { ...ENVIRONMENT, PGPORT: String(port), ...env },
    maxBuffer: 100_000_000,
    timeout: 60_000,
  });
}

/** Starts one that runs until it is ended. */
export function startClient(program: string, args: readonly string[], port: number): ChildProcess {
  return spawn(program, args, {
    env: { ...ENVIRONMENT, PGPORT: String(port) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
