import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The program beside which this module lies, as source or compiled. */
const MAIN = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url),
);

/** This program as another process, with what it was told when it was started. */
export interface RunningProgram {
  readonly pid: number;
  /** Behind the interpreter and the program. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Looks among all processes for one that is this program: in a container that is most often process 1, but
 * not behind `docker run --init` or a script.
 *
 * @param pid - the only process to look at.
 * @returns undefined if there is none, and where there is no /proc.
 * @see https://man7.org/linux/man-pages/man5/proc_pid_cmdline.5.html
 */
export function findRunningProgram(pid?: number): RunningProgram | undefined {
  for (const one of pid === undefined ? processes() : [pid]) {
    const words = read(one, 'cmdline');
    // With --init, the first process has the whole command line for arguments; they are the same.
    const main = words.findIndex(isMain);
    if (main === -1 || one === process.pid) continue;
    const variables = read(one, 'environ').map((text): [string, string] => {
      const end = text.indexOf('=');
      return [text.slice(0, end), text.slice(end + 1)];
    });
    return { pid: one, argv: words.slice(main + 1), env: Object.fromEntries(variables) };
  }
  return undefined;
}

function processes(): number[] {
  try {
    const entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return entries.map(Number).toSorted((one, other) => one - other);
  } catch {
    return [];
  }
}

/** The strings of one of a process's files; none if it is gone, or another user's. */
function read(pid: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

function isMain(word: string): boolean {
  if (!word.startsWith('/')) return false;
  try {
    return realpathSync(word) === MAIN;
  } catch {
    return false;
  }
}
