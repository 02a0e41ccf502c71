import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { superviseChild } from '../../src/demo/child-process.ts';
import { findFreePort } from '../../src/demo/loopback.ts';
import { postgresAccount } from '../../src/demo/postgres-binaries.ts';
import type { TestFiles } from './files.ts';
import { until } from './wait.ts';

/** Where Debian has it, which is not on everybody's path. */
const DEBIAN = '/usr/sbin/pgbouncer';

const COMMAND = existsSync(DEBIAN) ? DEBIAN : 'pgbouncer';

const STOP_TIMEOUT_MS = 5_000;

/** Why a test that needs PgBouncer must be skipped here; false when it need not. */
export function missingPgbouncer(): string | false {
  return spawnSync(COMMAND, ['--version']).error === undefined ? false : 'PgBouncer is not installed';
}

export interface RunningPgbouncer extends AsyncDisposable {
  readonly port: number;
  /** What it has logged so far. */
  output(): string;
}

/** Makes files that PgBouncer reads, as the user that it runs as: it refuses to be root. */
export async function writeForPgbouncer(files: TestFiles, name: string, content: string): Promise<string> {
  const { uid, gid } = postgresAccount();
  const path = join(files.directory, name);
  await writeFile(path, content, { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) {
    await chown(path, uid, gid);
    await chown(files.directory, uid, gid);
  }
  return path;
}

/** Starts PgBouncer and waits until it listens. The PORT in its configuration becomes a free one. */
export async function startPgbouncer(files: TestFiles, name: string, ini: string): Promise<RunningPgbouncer> {
  const port = await findFreePort();
  const path = await writeForPgbouncer(files, name, ini.replace('PORT', String(port)));
  const account = postgresAccount();
  const child = superviseChild(
    spawn(COMMAND, [path], { ...account, cwd: files.directory, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  let isOver = false;
  void child.closed.then(() => (isOver = true));
  await until('PgBouncer to listen', () => isOver || child.output().includes('process up'));
  if (isOver) throw new Error(`PgBouncer ended: ${child.output()}`);
  return {
    port,
    output: () => child.output(),
    [Symbol.asyncDispose]: () => child.end('SIGTERM', STOP_TIMEOUT_MS),
  };
}
