import { once } from 'node:events';
import { chmodSync, linkSync, mkdtempSync, renameSync, rmSync, type Stats, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { StartError } from '../errors.ts';
import { findStale, isSame, statOf, takeAway } from './stale-socket.ts';

/** What libpq looks for in a directory. */
const SOCKET_NAME = /^\.s\.PGSQL\.(\d{1,5})$/;

/** Bytes of sockaddr_un.sun_path, without the closing zero. */
const MAX_PATH_LENGTH = process.platform === 'linux' ? 107 : 103;

/** Times another proxy may come or go while this one takes its place. */
const MAX_ATTEMPTS = 5;

/**
 * Where a Unix socket lies: a path whose last part is `.s.PGSQL.` and digits is the socket itself; any other
 * is a directory (whether or not it exists), with `.s.PGSQL.PORT` in it, as PostgreSQL does.
 */
export function socketPath(setting: string, port: number): string {
  return SOCKET_NAME.test(basename(setting)) ? setting : join(setting, `.s.PGSQL.${port}`);
}

/** What libpq calls a socket: its directory is the host, its number the port. */
export function socketTarget(path: string): { readonly host: string; readonly port: number } | undefined {
  const port = SOCKET_NAME.exec(basename(path))?.[1];
  return port === undefined ? undefined : { host: dirname(path), port: Number(port) };
}

/**
 * Makes a server listen on a Unix socket that this user alone may use (0600), from its first moment. It is
 * made in a directory that nobody else can enter, and comes to its place as a hard link when it already
 * listens: a link never replaces what is there, so of two proxies one gets the place, and a socket that
 * refuses connections is certainly dead.
 *
 * @returns takes the socket away, if it is still this one.
 * @throws {@link StartError} if it cannot be had.
 */
export async function listenOnUnixSocket(server: Server, path: string, backlog: number): Promise<() => void> {
  let cradle: string | undefined;
  try {
    const directory = dirname(path);
    checkLength(path, path);
    cradle = mkdtempSync(join(directory, '.pgep'));
    const born = join(cradle, 's');
    checkLength(born, path);
    server.listen({ path: born, backlog });
    await once(server, 'listening');
    chmodSync(born, 0o600);
    const own = statOf(born);
    await takePlace(born, path, join(cradle, 'stale'));
    return () => removeOwn(path, own);
  } catch (error) {
    server.close();
    throw error instanceof StartError ? error : new StartError(failure(error, path));
  } finally {
    if (cradle !== undefined) rmSync(cradle, { recursive: true, force: true });
  }
}

function removeOwn(path: string, own: Stats | undefined): void {
  try {
    if (isSame(statOf(path), own)) unlinkSync(path);
  } catch {
    // Its directory is gone or out of reach: a socket that refuses connections is in nobody's way.
  }
}

async function takePlace(born: string, path: string, aside: string): Promise<void> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    if (link(born, path)) return;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const stale = await findStale(path);
    if (stale !== undefined) takeAway(stale, path, aside);
  }
  throw new StartError(`the Unix socket ${path} comes and goes: start one proxy at a time there`);
}

/** @returns false if something is there already. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    // A file system without hard links: nearly as good, as nothing comes between these two lines here.
    if (statOf(to) !== undefined) return false;
    renameSync(from, to);
    return true;
  }
}

function checkLength(path: string, named: string): void {
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_LENGTH) return;
  const limit = `${length} bytes, where ${MAX_PATH_LENGTH} are possible`;
  throw new StartError(
    `the path ${named} is too long for a Unix socket (${limit}). Choose a shorter --unix-socket`,
  );
}

function failure(error: unknown, path: string): string {
  const directory = dirname(path);
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return `there is no directory ${directory} for a Unix socket. Create it, or correct --unix-socket: a directory, or a path that ends in .s.PGSQL.PORT`;
    case 'ENOTDIR':
      return `${directory} is no directory, so there can be no Unix socket in it. Correct --unix-socket: a directory, or a path that ends in .s.PGSQL.PORT`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `not allowed to put a Unix socket into ${directory} (${code}). This user must be able to write there; see --unix-socket`;
    default:
      return `cannot listen on the Unix socket ${path} (${code}). Check --unix-socket`;
  }
}
