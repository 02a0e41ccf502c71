import { ProxyError, SqlState } from '../errors.ts';

/** Longest body of a SASLInitialResponse or SASLResponse: PG_MAX_SASL_MESSAGE_LENGTH (sasl.h). */
const MAX_SASL_BODY_LENGTH = 1_024;

const CLEARTEXT_PASSWORD_CODE = 3;
const SASL_CONTINUE_CODE = 11;
const SASL_FINAL_CODE = 12;

/** What a client chose of the mechanisms offered, and what that mechanism says first, if anything. */
export interface SaslInitialResponse {
  readonly mechanism: string;
  readonly data: Buffer | undefined;
}

/**
 * Encodes an AuthenticationCleartextPassword message: Byte1 'R', Int32 length, Int32 3.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONCLEARTEXTPASSWORD
 */
export function encodeCleartextPasswordRequest(): Buffer {
  return encodeAuthentication(CLEARTEXT_PASSWORD_CODE, '');
}

/**
 * Encodes an AuthenticationSASLContinue message: Byte1 'R', Int32 length, Int32 11, the mechanism's own data.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONSASLCONTINUE
 */
export function encodeSaslContinue(data: string): Buffer {
  return encodeAuthentication(SASL_CONTINUE_CODE, data);
}

/**
 * Encodes an AuthenticationSASLFinal message: Byte1 'R', Int32 length, Int32 12, the mechanism's own data.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONSASLFINAL
 */
export function encodeSaslFinal(data: string): Buffer {
  return encodeAuthentication(SASL_FINAL_CODE, data);
}

/**
 * Decodes the body of a SASLInitialResponse ('p'): `mechanism\0`, Int32 length of the data or -1 for none, the data.
 *
 * @throws {@link ProxyError} 08P01 if truncated, too long, or followed by stray bytes.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SASLINITIALRESPONSE
 */
export function decodeSaslInitialResponse(body: Buffer): SaslInitialResponse {
  checkLength(body);
  const nameEnd = body.indexOf(0);
  const dataStart = nameEnd + 5;
  if (nameEnd === -1 || dataStart > body.length) throw malformed('a truncated SASLInitialResponse');
  const mechanism = body.toString('latin1', 0, nameEnd);
  const length = body.readInt32BE(nameEnd + 1);
  const data = body.subarray(dataStart);
  if (length === -1 && data.length === 0) return { mechanism, data: undefined };
  if (length !== data.length) throw malformed('a SASLInitialResponse whose length is not that of its data');
  return { mechanism, data };
}

/**
 * Decodes the body of a SASLResponse ('p'), which is the mechanism's own data and nothing else.
 *
 * @throws {@link ProxyError} 08P01 if too long.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SASLRESPONSE
 */
export function decodeSaslResponse(body: Buffer): Buffer {
  checkLength(body);
  return body;
}

function checkLength(body: Buffer): void {
  if (body.length > MAX_SASL_BODY_LENGTH)
    throw malformed(`a SASL message of more than ${MAX_SASL_BODY_LENGTH} bytes`);
}

function encodeAuthentication(code: number, data: string): Buffer {
  const bytes = Buffer.from(data, 'latin1');
  const head = Buffer.alloc(9);
  head.write('R', 0, 'latin1');
  head.writeUInt32BE(bytes.length + 8, 1);
  head.writeUInt32BE(code, 5);
  return Buffer.concat([head, bytes]);
}

function malformed(what: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, `invalid answer to an authentication request: ${what}`, {
    hint: 'Check that the client is a PostgreSQL client, or use a newer client library.',
  });
}
