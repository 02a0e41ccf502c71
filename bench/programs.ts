import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Debian's pgbench itself, rather than the script on the PATH that chooses a version; and its daemons. */
const DEBIAN_DIRECTORIES = ['/usr/lib/postgresql/15/bin', '/usr/sbin'];

/** The path of an installed program, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  const directories = [...DEBIAN_DIRECTORIES, ...(process.env['PATH'] ?? '').split(delimiter)];
  for (const directory of directories.filter((one) => one !== '')) {
    const path = join(directory, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}
