import { fstatSync, type Stats } from 'node:fs';

const STDOUT = 1;

/** Group and others. */
const SHARED = 0o077;

/**
 * Why a token must not be written to standard output as it is; undefined if it may. A terminal keeps what it
 * shows, and others look at it; and a file has the mode that the shell has made it with.
 *
 * @param isConfirmed - whether it may be shown on a terminal.
 */
export function rawProblem(isTerminal: boolean, isConfirmed: boolean): string | undefined {
  if (isTerminal) {
    if (isConfirmed) return undefined;
    return '--raw would show the token on this terminal: send it on (--raw | COMMAND), or say --yes-show-token too';
  }
  const stats = fstatSync(STDOUT, { throwIfNoEntry: false }) as Stats | undefined;
  // Windows has no modes.
  if (stats === undefined || !stats.isFile() || process.platform === 'win32') return undefined;
  if ((stats.mode & SHARED) === 0) return undefined;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  return `--raw would write the token into a file that other users can read (mode ${mode}): run umask 077 before, or chmod 600 on the file`;
}

/** Writes all of a text; rejects if whoever reads it has gone. */
export function writeOut(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.once('error', reject);
  process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  return promise;
}
