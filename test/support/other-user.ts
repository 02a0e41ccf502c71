import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Nobody's: only its number matters. */
const OTHER_UID = 54_321;

/** Why a test that needs two users must be skipped here; false when it need not. */
export const ONE_USER =
  process.platform !== 'linux'
    ? 'only Linux tells whose a connection is'
    : process.getuid?.() !== 0 && 'only root can become another user';

const AS_OTHER = {
  env: { PATH: process.env['PATH'] ?? '' },
  cwd: '/',
  uid: OTHER_UID,
  gid: OTHER_UID,
  timeout: 20_000,
  encoding: 'latin1',
} as const;

/** Runs psql as another user; rejects if it fails. */
export function psqlAsOther(host: string, port: number): Promise<{ stdout: string; stderr: string }> {
  const connection = `host=${host} port=${port} dbname=app user=anyone`;
  return promisify(execFile)('psql', ['-AtX', '-c', 'select 1', connection], AS_OTHER);
}

/** Sends bytes as another user, and gives all that it hears until the proxy closes. */
export async function sendAsOther(port: number, bytes: Buffer): Promise<string> {
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-c', `${scriptFor(port, bytes)} && cat <&3`],
    AS_OTHER,
  );
  return stdout;
}

/** Sends bytes as another user who is gone before this process can do anything. */
export function sendAndGoAsOther(port: number, bytes: Buffer): void {
  execFileSync('bash', ['-c', scriptFor(port, bytes)], AS_OTHER);
}

/** The connection is descriptor 3. */
function scriptFor(port: number, bytes: Buffer): string {
  const escaped = [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return `exec 3<>/dev/tcp/127.0.0.1/${port} && printf '${escaped}' >&3`;
}
