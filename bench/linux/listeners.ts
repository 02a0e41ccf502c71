import { readdir, readFile, readlink } from 'node:fs/promises';

/** Whether anything listens on a local TCP port. */
export async function isListening(port: number): Promise<boolean> {
  return (await listeningInodes(port)).size > 0;
}

/** The process that listens on a local TCP port, where this user may see it; the lowest id of several. */
export async function findListener(port: number): Promise<number | undefined> {
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return undefined;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids.toSorted((left, right) => left - right)) {
    // Other users' processes, and those that end meanwhile, show nothing.
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of fds) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '')) return pid;
    }
  }
  return undefined;
}

/** Inodes of sockets in state LISTEN (0A) whose local address ends in the port, in hexadecimal. */
async function listeningInodes(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n')).map((line) => line.trim().split(/\s+/));
  return new Set(
    rows.filter((row) => row[1]?.endsWith(suffix) && row[3] === '0A').map((row) => row[9] ?? ''),
  );
}
