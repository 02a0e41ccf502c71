import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { type SupervisedChild, superviseChild } from './child-process.ts';
import { findFreePort, LOOPBACK } from './loopback.ts';
import { type Account, programOptions } from './postgres-binaries.ts';

/** A fast shutdown takes less than a second, unless a session holds it up. */
export const STOP_TIMEOUT_MS = 10_000;

const READY_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_PAUSE_MS = 20;
const PORT_ATTEMPTS = 3;

/** One result row, as `pg` gives it. */
export type Row = Record<string, unknown>;

/** Where a cluster lies, prepared to be started. */
export interface Cluster {
  readonly binDir: string;
  /** Holds `data`, `pg_hba.conf`, `server.crt`, `server.key`, and the Unix socket. */
  readonly tempDir: string;
  readonly account: Account;
  readonly settings: Readonly<Record<string, string>>;
}

/** A postmaster that answers. */
export interface RunningServer {
  readonly child: SupervisedChild;
  readonly port: number;
  /** The major version. */
  readonly version: number;
}

/**
 * Starts the postmaster and waits until it answers queries.
 *
 * @param port - undefined: any free one.
 * @throws Error with the server's own output if it ends or does not answer within 30 s.
 */
export async function launchServer(cluster: Cluster, port?: number): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    const chosen = port ?? (await findFreePort());
    const child = spawnPostmaster(cluster, chosen);
    try {
      return { child, port: chosen, version: await waitUntilReady(child, cluster.tempDir, chosen) };
    } catch (error) {
      await child.end('SIGINT', STOP_TIMEOUT_MS);
      // Someone took the port between our finding it free and the server's using it.
      const retry =
        port === undefined && attempt < PORT_ATTEMPTS && /address already in use/iu.test(child.output());
      if (!retry) throw error;
    }
  }
}

/** Runs SQL as the superuser, over the Unix socket; gives the rows of the last statement. */
export async function queryAsSuperuser(
  socketDir: string,
  port: number,
  sql: string,
  database = 'postgres',
): Promise<Row[]> {
  const client = new Client({
    host: socketDir,
    port,
    database,
    user: 'postgres',
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A server that dies under a query rejects the query; the event alone would end this process.
  client.on('error', () => {});
  try {
    await client.connect();
    const result: { rows: Row[] } | { rows: Row[] }[] = await client.query(sql);
    return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
  } finally {
    await client.end();
  }
}

function spawnPostmaster(cluster: Cluster, port: number): SupervisedChild {
  const { binDir, tempDir, account } = cluster;
  const settings = {
    listen_addresses: LOOPBACK,
    port: String(port),
    unix_socket_directories: tempDir,
    hba_file: join(tempDir, 'pg_hba.conf'),
    ssl: 'on',
    ssl_cert_file: join(tempDir, 'server.crt'),
    ssl_key_file: join(tempDir, 'server.key'),
    fsync: 'off',
    log_connections: 'off',
    // In the data directory rather than in /dev/shm, where a killed server would leave it.
    dynamic_shared_memory_type: 'mmap',
    wal_level: 'logical',
    max_wal_senders: '4',
    ...cluster.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const program = spawn(
    join(binDir, 'postgres'),
    ['-D', join(tempDir, 'data'), ...args],
    programOptions(account, tempDir),
  );
  // SIGQUIT ends it as promptly as SIGKILL does, but lets it end its children and free shared memory.
  return superviseChild(program, 'SIGQUIT');
}

async function waitUntilReady(child: SupervisedChild, socketDir: string, port: number): Promise<number> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      const [row] = await queryAsSuperuser(socketDir, port, 'show server_version_num');
      return Math.trunc(Number(row?.['server_version_num']) / 10_000);
    } catch (error) {
      const exit = await Promise.race([child.closed, delay(RETRY_PAUSE_MS)]);
      if (exit) throw new Error(`postgres ended (${exit.reason}): ${child.output()}`, { cause: error });
      if (Date.now() > deadline)
        throw new Error(`postgres does not answer: ${child.output()}`, { cause: error });
    }
  }
}
