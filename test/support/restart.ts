import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoPostgres } from '../../src/demo/postgres.ts';
import { embeddedBinDir, postgresAccount } from '../../src/demo/postgres-binaries.ts';
import { launchServer, STOP_TIMEOUT_MS } from '../../src/demo/postgres-server.ts';
import { until } from './wait.ts';

/** Stops the embedded server as an operator would (fast shutdown), and keeps its files. */
export async function stopPostmaster({ tempDir }: DemoPostgres): Promise<void> {
  const pidFile = join(tempDir, 'data', 'postmaster.pid');
  process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGINT');
  await until('the server to stop', () => !existsSync(pidFile));
}

/** Starts it again where it was. To be disposed of before the server that it was. */
export async function startPostmaster({ tempDir, port }: DemoPostgres): Promise<AsyncDisposable> {
  const copied = join(tempDir, 'postgresql', 'bin');
  const binDir = existsSync(copied) ? copied : await embeddedBinDir();
  const { child } = await launchServer({ binDir, tempDir, account: postgresAccount(), settings: {} }, port);
  return { [Symbol.asyncDispose]: () => child.end('SIGINT', STOP_TIMEOUT_MS) };
}
