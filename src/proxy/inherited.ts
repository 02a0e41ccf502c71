import { readFile, readlink } from 'node:fs/promises';
import { StartError } from '../errors.ts';
import { type ListenerEvents, type OpenListener, openListener } from './listener.ts';

/** A listening socket that systemd has opened for this process (socket activation). */
export interface InheritedSocket {
  readonly fd: number;
  /** FileDescriptorName= of its socket unit; by default the unit's own name. */
  readonly name: string;
}

/** The first file descriptor that is passed on; they are consecutive. */
const FIRST_FD = 3;

/**
 * Finds the sockets that systemd passes to this process, and takes the variables that say so out of the
 * environment: they are not for its children.
 *
 * @throws {@link StartError} if what the variables say makes no sense.
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
 */
export function takeInheritedSockets(
  env: NodeJS.ProcessEnv = process.env,
  pid = process.pid,
): InheritedSocket[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count = '', LISTEN_FDNAMES: names = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  // Otherwise they were meant for a parent of this process.
  if (owner !== String(pid)) return [];
  if (!/^\d{1,4}$/.test(count)) throw new StartError(`LISTEN_FDS is "${count}", and not a number of sockets`);
  const nameOf = names.split(':');
  return Array.from({ length: Number(count) }, (_, index) => {
    return { fd: FIRST_FD + index, name: nameOf[index] ?? '' };
  });
}

/**
 * Which sockets are whose. A single server takes them all. Of several each takes those that are named like
 * its host, or like the first part of it: systemd promises no order between socket units.
 *
 * @throws {@link StartError} if one is nobody's.
 */
export function assignInherited(
  sockets: readonly InheritedSocket[],
  hosts: readonly string[],
): (readonly InheritedSocket[])[] {
  if (hosts.length === 1) return [sockets];
  const isFor = (host: string, name: string): boolean => name === host || name === host.split('.')[0];
  for (const { fd, name } of sockets) {
    if (hosts.some((host) => isFor(host, name))) continue;
    throw new StartError(
      `inherited socket ${fd} is named "${name}", like none of the servers. Set FileDescriptorName= in its socket unit to one of ${hosts.join(', ')}`,
    );
  }
  return hosts.map((host) => sockets.filter(({ name }) => isFor(host, name)));
}

/** @throws {@link StartError} if it is no listening socket. */
export async function openInheritedListener(fd: number, events: ListenerEvents): Promise<OpenListener> {
  try {
    return await openListener({ fd, path: await pathOf(fd) }, events);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(
      `file descriptor ${fd} is no listening stream socket (${code}). A socket unit for this program has ListenStream= and Accept=no`,
    );
  }
}

/** The path of a Unix socket, which Linux alone tells, as it alone has systemd. An abstract one begins with `@`. */
async function pathOf(fd: number): Promise<string | undefined> {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/self/fd/${fd}`))?.[1];
    const table = await readFile('/proc/net/unix', 'utf8');
    // Num: RefCount Protocol Flags Type St Inode Path
    const rows = table.split('\n').map((line) => /^\S+: \S+ \S+ \S+ \S+ \S+ +(\d+) (.+)$/.exec(line));
    return rows.find((row) => row !== null && row[1] === inode)?.[2];
  } catch {
    return undefined;
  }
}
