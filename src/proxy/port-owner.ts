import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { printable } from '../redact.ts';

/**
 * The process that listens on a local TCP port, as far as Linux tells this user.
 *
 * @returns such as `pgbouncer (pid 123)`, or undefined.
 */
export async function findPortOwner(port: number): Promise<string | undefined> {
  const inodes = await listeningInodes(port);
  if (inodes.size === 0) return undefined;
  const pids = await readdir('/proc').catch(() => []);
  const owners = await Promise.all(
    pids.filter((pid) => /^\d+$/.test(pid)).map((pid) => ownerOf(pid, inodes)),
  );
  return owners.find((owner) => owner !== undefined);
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

async function ownerOf(pid: string, inodes: ReadonlySet<string>): Promise<string | undefined> {
  // Other users' processes and those that end meanwhile show nothing.
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  if (!links.some((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '?'))) return undefined;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return `${programName(commandLine)} (pid ${pid})`;
}

/** The program, and what an interpreter runs; no other argument, since those can be secret. */
function programName(commandLine: string): string {
  const [program = '', script = ''] = commandLine.split('\0').map((argument) => basename(argument));
  const isInterpreter = /^(?:node|bun|deno|python|java|ruby|perl)/.test(program) && /^[^-]/.test(script);
  return printable((isInterpreter ? `${program} ${script}` : program) || 'a process');
}
