import { globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing, runClient } from './clients.ts';

/** PGJDBC_JAR, or the newest in Maven's own place. */
export const JAR =
  process.env['PGJDBC_JAR'] ??
  globSync(join(homedir(), '.m2/repository/org/postgresql/postgresql/*/postgresql-42.*.jar'))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);

/** Why a test that needs pgjdbc must be skipped here; false when it need not. */
export function missingPgjdbc(): string | false {
  return missing('java') || (JAR === undefined && 'there is no pgjdbc: set PGJDBC_JAR');
}

/** Logs in with each URL and password; gives "in" for each, or the SQLSTATE of the refusal. */
export async function logInWithPgjdbc(logins: readonly (readonly [string, string])[]): Promise<string[]> {
  const source = fileURLToPath(new URL('Logins.java', import.meta.url));
  const options = ['-Dsun.jnu.encoding=UTF-8', '-Dfile.encoding=UTF-8', '-XX:TieredStopAtLevel=1'];
  const args = [...options, '-cp', JAR ?? '', source, ...logins.flat()];
  const { stdout } = await runClient('java', args, 0, { LC_ALL: 'C.UTF-8' });
  return stdout.trim().split('\n');
}
