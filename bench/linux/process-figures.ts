import { readdir, readFile } from 'node:fs/promises';

/** Times in /proc are in units of USER_HZ, which is 100 on every Linux (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100;

/** Field numbers of /proc/PID/stat, from 1. @see proc_pid_stat(5) */
const PPID = 4;
const UTIME = 14;
const CSTIME = 17;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Of all its threads, and of its children that ended, in ticks. */
  readonly ticks: number;
}

/**
 * CPU time, user and system, of a process and its descendants so far, with those that ended.
 *
 * @returns seconds, to 10 ms.
 */
export async function readCpuSeconds(pid: number): Promise<number> {
  const tree = await readTree(pid);
  return tree.reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** Resident memory of a process and its descendants, in bytes; pages they share count for each. */
export async function readRssBytes(pid: number): Promise<number> {
  const tree = await readTree(pid);
  const sizes = await Promise.all(tree.map((one) => residentBytes(one.pid)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readTree(root: number): Promise<ProcessStat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(readStat))).filter((stat) => stat !== undefined);
  const tree = all.filter(({ pid }) => pid === root);
  // Grows while it is walked: children of children.
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  return text === undefined ? undefined : { pid, ...parseProcessStat(text) };
}

/** Reads one line of /proc/PID/stat; the program's name in it may hold spaces and parentheses. */
export function parseProcessStat(text: string): { readonly parent: number; readonly ticks: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // The first field here is the third of the file.
  const field = (number: number): number => Number(fields[number - 3]);
  let ticks = 0;
  for (let number = UTIME; number <= CSTIME; number += 1) ticks += field(number);
  return { parent: field(PPID), ticks };
}

async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
