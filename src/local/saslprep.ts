import { isAscii, isUtf8 } from 'node:buffer';
import { createRequire } from 'node:module';

/**
 * A password as it goes into SCRAM: through SASLprep, or as it is where that refuses it (prohibited or
 * unassigned characters, mixed directions, nothing left) and where it is not UTF-8, as in PostgreSQL.
 *
 * The two differ over some 750 rare characters: compatibility forms younger than Unicode 3.2 (U+1D2C,
 * U+1F130) or written from right to left (U+FB2A). PostgreSQL judges them before it normalizes them, RFC 4013
 * and this after that. Such a password never gets anybody in who should not.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4013
 */
export function preparePassword(password: Buffer): Buffer {
  if (isAscii(password) || !isUtf8(password)) return password;
  // Its tables take megabytes, and most passwords are of letters that it leaves alone.
  const { saslprep } = createRequire(import.meta.url)(
    '@mongodb-js/saslprep',
  ) as typeof import('@mongodb-js/saslprep');
  try {
    return Buffer.from(saslprep(password.toString()));
  } catch {
    return password;
  }
}
