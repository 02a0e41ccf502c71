import { serialize } from 'pg-protocol';
import { ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_BODY_LENGTH, MAX_PASSWORD_LENGTH } from './limits.ts';

/** What a server asks of a client that wants to log in; `code` is for naming the ones we do not speak. */
export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartextPassword' }
  | { readonly kind: 'other'; readonly code: number; readonly method: string };

const METHODS: Readonly<Record<number, string>> = {
  2: 'Kerberos V5',
  5: 'MD5',
  6: 'SCM credentials',
  7: 'GSSAPI',
  8: 'GSSAPI',
  9: 'SSPI',
  10: 'SCRAM',
  11: 'SCRAM',
  12: 'SCRAM',
};

/**
 * Decodes the body of an Authentication message ('R'): Int32 code, then what the method needs.
 *
 * @throws {@link ProxyError} 08P01 if shorter than the code, or if Ok or CleartextPassword carry more.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 */
export function decodeAuthenticationRequest(body: Buffer): AuthenticationRequest {
  if (body.length < 4) throw malformed('Authentication message shorter than 4 bytes');
  const code = body.readUInt32BE(0);
  if ((code === 0 || code === 3) && body.length !== 4)
    throw malformed('stray bytes in an Authentication message');
  if (code === 0) return { kind: 'ok' };
  if (code === 3) return { kind: 'cleartextPassword' };
  return { kind: 'other', code, method: METHODS[code] ?? `authentication code ${code}` };
}

/**
 * Encodes a PasswordMessage: Byte1 'p', Int32 length, the password in UTF-8, `\0`.
 *
 * @throws {@link ProxyError} 28000 for what no server takes: empty, over 65,530 bytes, or with a zero byte.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PASSWORDMESSAGE
 */
export function encodePasswordMessage(password: string): Buffer {
  const length = Buffer.byteLength(password);
  if (length === 0 || length > MAX_PASSWORD_LENGTH || password.includes('\0')) {
    throw new ProxyError(SqlState.invalidAuthorization, `a password of ${length} bytes cannot be sent`, {
      hint: `PostgreSQL takes 1 to ${MAX_PASSWORD_LENGTH} bytes without a zero byte.`,
    });
  }
  return serialize.password(password);
}

/**
 * Decodes the body of a client's PasswordMessage ('p'): one zero-terminated string.
 *
 * @throws {@link ProxyError} 08P01 if the zero is missing or not at the end, or the whole too long, as PostgreSQL itself answers.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PASSWORDMESSAGE
 */
export function decodePasswordMessage(body: Buffer): Buffer {
  const { length } = body;
  if (length === 0 || length > MAX_PASSWORD_BODY_LENGTH || body.indexOf(0) !== length - 1) {
    throw malformed('invalid password packet size');
  }
  return body.subarray(0, -1);
}

function malformed(what: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, what);
}
