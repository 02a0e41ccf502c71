import { serialize } from 'pg-protocol';
import { ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_BODY_LENGTH, MAX_PASSWORD_LENGTH } from './limits.ts';

/** What a server asks of a client that wants to log in. `method` is for people. */
export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartextPassword' }
  | { readonly kind: 'sasl'; readonly method: string; readonly mechanisms: readonly string[] }
  | { readonly kind: 'md5Password' | 'saslContinue' | 'saslFinal' | 'other'; readonly method: string };

const SASL_CODE = 10;

const METHODS: Readonly<Record<number, string>> = {
  2: 'Kerberos V5',
  6: 'SCM credentials',
  7: 'GSSAPI',
  8: 'GSSAPI',
  9: 'SSPI',
};

/**
 * Decodes the body of an Authentication message ('R'): Int32 code, then what the method needs:
 *
 * - 0 Ok, 3 CleartextPassword: nothing.
 * - 5 MD5Password: Byte4 salt.
 * - 10 SASL: `mechanism\0` strings closed by one `\0`.
 * - 11 SASLContinue, 12 SASLFinal: the mechanism's own bytes, which are not looked at; nor is any other code's.
 *
 * @throws {@link ProxyError} 08P01 if shorter than that, or followed by stray bytes.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 */
export function decodeAuthenticationRequest(body: Buffer): AuthenticationRequest {
  if (body.length < 4) throw malformed('Authentication message shorter than 4 bytes');
  const code = body.readUInt32BE(0);
  const dataLength = DATA_LENGTHS[code];
  if (dataLength !== undefined && body.length !== 4 + dataLength)
    throw malformed('stray or missing bytes in an Authentication message');
  switch (code) {
    case 0:
      return { kind: 'ok' };
    case 3:
      return { kind: 'cleartextPassword' };
    case 5:
      return { kind: 'md5Password', method: 'MD5' };
    case SASL_CODE:
      return decodeSasl(body);
    case 11:
      return { kind: 'saslContinue', method: 'SCRAM' };
    case 12:
      return { kind: 'saslFinal', method: 'SCRAM' };
    default:
      return { kind: 'other', method: METHODS[code] ?? `authentication code ${code}` };
  }
}

/** By code: how many bytes must follow it, where that is fixed. */
const DATA_LENGTHS: Readonly<Record<number, number>> = { 0: 0, 3: 0, 5: 4 };

function decodeSasl(body: Buffer): AuthenticationRequest {
  const mechanisms: string[] = [];
  let offset = 4;
  for (;;) {
    const end = body.indexOf(0, offset);
    if (end === -1) throw malformed('a list of SASL mechanisms without a terminator');
    if (end === offset) break;
    mechanisms.push(body.toString('latin1', offset, end));
    offset = end + 1;
  }
  if (offset !== body.length - 1) throw malformed('stray bytes behind a list of SASL mechanisms');
  const isScram = mechanisms.length === 0 || mechanisms.some((name) => name.startsWith('SCRAM-'));
  return { kind: 'sasl', method: isScram ? 'SCRAM' : mechanisms.join(', '), mechanisms };
}

/**
 * Encodes an AuthenticationSASL message: Byte1 'R', Int32 length, Int32 10, `mechanism\0` strings, `\0`.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONSASL
 */
export function encodeSaslRequest(mechanisms: readonly string[]): Buffer {
  const names = Buffer.from(`${mechanisms.map((name) => `${name}\0`).join('')}\0`, 'latin1');
  const head = Buffer.alloc(9);
  head.write('R', 0, 'latin1');
  head.writeUInt32BE(names.length + 8, 1);
  head.writeUInt32BE(SASL_CODE, 5);
  return Buffer.concat([head, names]);
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
