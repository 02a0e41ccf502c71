import { accessSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '../errors.ts';

/** A path may have some 100 bytes with a Unix socket in it, and about half of them are taken by that. */
const MAX_PARENT_LENGTH = 60;

/** A directory that nobody else can enter. */
export interface PrivateDirectory {
  readonly path: string;
  /** Removes it and what is in it. At the latest, that happens when the process ends. */
  remove(): void;
}

/**
 * Makes one in `$XDG_RUNTIME_DIR`, which is this user's alone and gone when it logs out, or else where
 * temporary files are.
 *
 * @throws {@link StartError} if nothing can be made there.
 */
export function createPrivateDirectory(env: NodeJS.ProcessEnv): PrivateDirectory {
  const parents = [env['XDG_RUNTIME_DIR'] ?? '', tmpdir()];
  const path = makeDirectory(parents.find(isUsable) ?? '/tmp');
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(path, { recursive: true, force: true });
  };
  process.once('exit', remove);
  return { path, remove };
}

/** Its mode is 0700. */
function makeDirectory(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'pgep-'));
  } catch (error) {
    const { code = 'unknown reason' } = error as NodeJS.ErrnoException;
    throw new StartError(
      `no socket can be made in ${parent} (${code}): use --tcp, or set TMPDIR; in a container, mount a tmpfs there`,
    );
  }
}

function isUsable(parent: string): boolean {
  if (!parent.startsWith('/') || Buffer.byteLength(parent) > MAX_PARENT_LENGTH) return false;
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
    return statSync(parent).isDirectory();
  } catch {
    return false;
  }
}
