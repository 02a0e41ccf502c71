import { constants, type FileHandle, open, readFile } from 'node:fs/promises';
import { ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_LENGTH } from '../protocol/limits.ts';

/** A file that holds a token, a secret or a private key. */
export interface SecretFile {
  readonly path: string;
  /** What it is called in messages, and what names it on the command line. */
  readonly kind: string;
  readonly flag: `--${string}`;
  /** How many bytes of it are read; without it, enough to see that a token is too long. */
  readonly maxLength?: number;
}

/** One byte more than the longest token may have, and room for line ends. */
const MAX_READ_LENGTH = MAX_PASSWORD_LENGTH + 16;

/** A pipe that nobody writes to is then read as empty, instead of blocking a thread. Not on Windows. */
const NONBLOCKING = constants.O_NONBLOCK ?? 0;

/**
 * Reads a file that must be secret, as it is now.
 *
 * @throws {@link ProxyError} 28000 if it cannot be read, or if other users of the machine can.
 */
export async function readSecretFile(secret: SecretFile): Promise<string> {
  const { path, kind, flag, maxLength = MAX_READ_LENGTH } = secret;
  try {
    await using file = await open(path, constants.O_RDONLY | NONBLOCKING);
    await refuseShared(file, secret);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxLength), { position: 0 });
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ProxyError(SqlState.invalidAuthorization, `cannot read the ${kind} ${path}: ${reason}`, {
      hint: `Check ${flag}, and that the file is there and readable for the user that the proxy runs as.`,
      cause: error,
    });
  }
}

/** Judges the open file, because another may have taken its path meanwhile. */
async function refuseShared(file: FileHandle, { path, kind }: SecretFile): Promise<void> {
  const user = process.geteuid?.();
  // Windows has no modes. A directory is refused when it is read.
  if (user === undefined) return;
  const stats = await file.stat();
  // Like libpq's rule for keys: someone else's file, or root's, is normally let to us through its group.
  const isOwn = stats.uid === user && user !== 0;
  const isShared = (stats.mode & (isOwn ? 0o077 : 0o037)) !== 0;
  if (!isShared || stats.isDirectory() || (await isMountedReadOnly(file))) return;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  throw new ProxyError(
    SqlState.invalidAuthorization,
    `other users of this machine may read or change the ${kind} ${path}: its mode is ${mode}`,
    {
      hint:
        `Run chmod ${stats.uid === user ? '600' : '640'} ${path}; ` +
        'in a container, a file that is mounted read-only may have any mode.',
    },
  );
}

/**
 * Whether an open file came through a read-only mount, as secrets do in containers, where modes mean
 * little. access(2) would not tell: of a read-only bind mount it says EROFS only to who may write the file.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
 */
async function isMountedReadOnly({ fd }: FileHandle): Promise<boolean> {
  try {
    const id = /^mnt_id:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
    const mount = mounts.map((line) => line.split(' ')).find(([first]) => first === id);
    // The sixth field has the mount's own options, the last those of its file system.
    const options = [mount?.[5], mount?.at(-1)];
    return options.some((list) => list?.split(',').includes('ro'));
  } catch {
    // Not Linux, or no /proc.
    return false;
  }
}
