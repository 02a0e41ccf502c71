import { linkSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { StartError } from '../errors.ts';

/**
 * What lies there and listens no more; undefined if it is gone.
 *
 * @throws {@link StartError} if somebody listens, if nobody can tell, or if it is no socket at all.
 */
export async function findStale(path: string): Promise<Stats | undefined> {
  const found = statOf(path);
  if (found === undefined) return undefined;
  if (!found.isSocket())
    throw new StartError(`${path} exists and is no socket: it is left alone. Choose another --unix-socket`);
  const code = await tryToConnect(path);
  if (code === 'ENOENT') return undefined;
  if (code === 'ECONNREFUSED') return found;
  if (code === 'EACCES' || code === 'EPERM')
    throw new StartError(
      `the Unix socket ${path} is another user's: it is left alone. Choose another --unix-socket`,
    );
  throw new StartError(
    `the Unix socket ${path} is in use by a living server. Stop it, or choose another --unix-socket or --port`,
  );
}

/** @returns the error's code; undefined if somebody is there. */
function tryToConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code));
  });
}

/** Removes a socket, but not one that another proxy has put into its place since it was found dead. */
export function takeAway(stale: Stats, path: string, aside: string): void {
  if (!isSame(statOf(path), stale)) return;
  renameSync(path, aside);
  // Between those two lines too another may have come: then it is not missed for longer than this.
  if (!isSame(statOf(aside), stale)) linkSync(aside, path);
  unlinkSync(aside);
}

/** @returns undefined if there is nothing. */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** An inode's number may come again; its time of birth, which is all that changes mtime of a socket, does not. */
export function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.dev === other.dev && one.ino === other.ino && one.mtimeMs === other.mtimeMs;
}
