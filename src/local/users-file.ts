import { ProxyError, UsageError } from '../errors.ts';
import { readSecretFile } from '../identity/secret-file.ts';
import { LocalUsers, saltFor } from './local-users.ts';
import { deriveVerifier, parseScramVerifier, type ScramVerifier } from './scram-verifier.ts';

/** Room for some 6,000 users. */
const MAX_FILE_LENGTH = 1_048_576;

/** `"user" "secret"`, a quote inside doubled; what follows behind a blank is nobody's business. */
const ENTRY = /^[ \t]*"((?:[^"]|"")*)"[ \t]+"((?:[^"]|"")*)"(?:[ \t][^]*)?$/;

const IGNORED = /^[ \t]*(?:;|$)/;

const MD5 = /^md5[0-9a-f]{32}$/;

/** How a file's text says that its bytes were not UTF-8. */
const REPLACEMENT = '\u{fffd}';

interface Entry {
  readonly user: string;
  readonly secret: string | ScramVerifier;
}

/**
 * Loads the users that may connect from a file in the format of PgBouncer's userlist.txt, with plain
 * passwords or SCRAM verifiers. Stricter than PgBouncer, which skips or misreads what it does not understand.
 *
 * @param secret - see {@link LocalUsers}.
 * @throws {@link UsageError} with every problem and its line, and nothing of what the file says; if the file
 *   cannot be read, or if other users of the machine can.
 * @see https://www.pgbouncer.org/config.html#authentication-file-format
 */
export async function loadLocalUsers(path: string, secret: Buffer): Promise<LocalUsers> {
  const entries = await readEntries(path);
  const verifiers = await Promise.all(entries.map((entry) => verifierOf(entry, secret)));
  return new LocalUsers(new Map(verifiers), secret);
}

/**
 * The names in such a file, in its order.
 *
 * @throws as {@link loadLocalUsers} does.
 */
export async function readUserNames(path: string): Promise<string[]> {
  return (await readEntries(path)).map(({ user }) => user);
}

async function readEntries(path: string): Promise<Entry[]> {
  const { entries, problems } = parseUsers(await readUsersFile(path));
  if (problems.length > 0) throw new UsageError(problems.map((problem) => `${path}:${problem}`));
  if (entries.length === 0) throw new UsageError([`${path}: it names no user, so nobody could connect`]);
  return entries;
}

async function readUsersFile(path: string): Promise<string> {
  const file = { path, kind: 'local users file', flag: '--local-users-file' } as const;
  const text = await readSecretFile({ ...file, maxLength: MAX_FILE_LENGTH + 1 }).catch((error: unknown) => {
    if (error instanceof ProxyError) throw new UsageError([`${error.message}. ${error.hint}`]);
    throw error;
  });
  if (Buffer.byteLength(text) > MAX_FILE_LENGTH)
    throw new UsageError([`${path}: longer than ${MAX_FILE_LENGTH} bytes`]);
  return text.replace(/^\uFEFF/, '');
}

/** The users of a file, and what is wrong with it, each problem beginning with the number of its line. */
export function parseUsers(text: string): { entries: Entry[]; problems: string[] } {
  const entries: Entry[] = [];
  const problems: string[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (IGNORED.test(line)) continue;
    const entry = parseEntry(line);
    const first = typeof entry === 'string' ? undefined : lines.get(entry.user);
    if (typeof entry === 'string') problems.push(`${index + 1}: ${entry}`);
    else if (first !== undefined) problems.push(`${index + 1}: the same user as in line ${first}`);
    else {
      lines.set(entry.user, index + 1);
      entries.push(entry);
    }
  }
  return { entries, problems };
}

/** One line's user and secret, or what is wrong with it. */
function parseEntry(line: string): Entry | string {
  if (line.includes('\0')) return 'a zero byte, which neither a user nor a password can have';
  if (line.includes(REPLACEMENT)) return 'not UTF-8';
  const [, user, password] = ENTRY.exec(line) ?? [];
  if (user === undefined || password === undefined) return 'not "user" "password", each quote inside doubled';
  if (user === '') return 'an empty user';
  if (password === '') return 'an empty password, with which nobody can log in';
  return withSecret(user.replaceAll('""', '"'), password.replaceAll('""', '"'));
}

function withSecret(user: string, password: string): Entry | string {
  if (MD5.test(password)) {
    return 'an MD5 hash, which is of no use: give the password, or a verifier (password_encryption = scram-sha-256)';
  }
  if (!password.startsWith('SCRAM-SHA-256$')) return { user, secret: password };
  const secret = parseScramVerifier(password);
  if (secret === undefined) return 'a SCRAM-SHA-256 verifier that is incomplete or damaged';
  return { user, secret };
}

async function verifierOf({ user, secret }: Entry, key: Buffer): Promise<[string, ScramVerifier]> {
  if (typeof secret !== 'string') return [user, secret];
  return [user, await deriveVerifier(Buffer.from(secret), saltFor(user, key))];
}
