import { ProxyError, SqlState } from '../errors.ts';
import { MAX_CANCEL_KEY_LENGTH, MAX_STARTUP_PACKET_LENGTH, MIN_CANCEL_KEY_LENGTH } from './limits.ts';

const CANCEL_REQUEST_CODE = 80_877_102;
const SSL_REQUEST_CODE = 80_877_103;
const GSSENC_REQUEST_CODE = 80_877_104;

/** A `name\0value\0` pair. PostgreSQL gives the value no encoding, so it stays bytes; names are latin1. */
export interface StartupParameter {
  readonly name: string;
  readonly value: Buffer;
}

export interface StartupMessage {
  readonly kind: 'startup';
  /** Int32: major version in the high, minor version in the low 16 bits. */
  readonly protocolVersion: number;
  readonly parameters: readonly StartupParameter[];
}

export interface CancelRequest {
  readonly kind: 'cancelRequest';
  /** What names the session: Int32 process ID and the secret key, as BackendKeyData gave them. */
  readonly key: Buffer;
}

export type StartupPacket =
  | StartupMessage
  | CancelRequest
  | { readonly kind: 'sslRequest' }
  | { readonly kind: 'gssEncRequest' }
  | { readonly kind: 'unsupported'; readonly protocolVersion: number };

export function protocolMajor(protocolVersion: number): number {
  return protocolVersion >>> 16;
}

export function protocolMinor(protocolVersion: number): number {
  return protocolVersion & 0xff_ff;
}

/**
 * Decodes the first packet on a connection, the only kind without a type byte.
 *
 * @param body - the packet after its Int32 length: Int32 request code or protocol version, then
 *   (CancelRequest) Int32 process ID and 4 to 256 bytes of key, or (StartupMessage)
 *   `name\0value\0` pairs closed by one `\0`. The body of a version other than 3.x is not looked at.
 * @throws {@link ProxyError} 08P01 if truncated or followed by stray bytes.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function decodeStartupPacket(body: Buffer): StartupPacket {
  if (body.length < 4) throw malformed('shorter than 4 bytes');
  const code = body.readUInt32BE(0);
  switch (code) {
    case SSL_REQUEST_CODE:
      if (body.length !== 4) throw malformed('stray bytes in an SSLRequest');
      return { kind: 'sslRequest' };
    case GSSENC_REQUEST_CODE:
      if (body.length !== 4) throw malformed('stray bytes in a GSSENCRequest');
      return { kind: 'gssEncRequest' };
    case CANCEL_REQUEST_CODE:
      return { kind: 'cancelRequest', key: decodeCancelKey(body) };
    default:
      if (protocolMajor(code) !== 3) return { kind: 'unsupported', protocolVersion: code };
      return { kind: 'startup', protocolVersion: code, parameters: decodeParameters(body) };
  }
}

/**
 * Encodes a StartupMessage: Int32 length, Int32 protocol version, `name\0value\0` pairs, `\0`.
 *
 * @throws {@link ProxyError} 08P01 if longer than the 10,004 bytes a server reads, or if a name or
 *   value holds the zero byte that ends it.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function encodeStartupMessage(message: Omit<StartupMessage, 'kind'>): Buffer {
  const parts: Buffer[] = [Buffer.alloc(8)];
  for (const { name, value } of message.parameters) {
    if (name === '' || name.includes('\0') || value.includes(0)) throw malformed('zero byte in a parameter');
    parts.push(Buffer.from(`${name}\0`, 'latin1'), value, Buffer.of(0));
  }
  parts.push(Buffer.of(0));
  const packet = Buffer.concat(parts);
  if (packet.length > MAX_STARTUP_PACKET_LENGTH) throw malformed('too long with the role put in');
  packet.writeUInt32BE(packet.length, 0);
  packet.writeUInt32BE(message.protocolVersion, 4);
  return packet;
}

/**
 * Encodes a CancelRequest: Int32 length, Int32 80877102, Int32 process ID, secret key.
 *
 * @param key - process ID and secret key, together as {@link CancelRequest.key}.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST
 */
export function encodeCancelRequest(key: Buffer): Buffer {
  const packet = Buffer.alloc(8 + key.length);
  packet.writeUInt32BE(packet.length, 0);
  packet.writeUInt32BE(CANCEL_REQUEST_CODE, 4);
  key.copy(packet, 8);
  return packet;
}

/** The last value of a parameter, the one PostgreSQL uses, or undefined where it is absent or empty. */
export function lastParameter(parameters: readonly StartupParameter[], name: string): Buffer | undefined {
  const value = parameters.findLast((parameter) => parameter.name === name)?.value;
  return value === undefined || value.length === 0 ? undefined : value;
}

/** What to do about a first packet that makes no sense: for these and for the ones whose length does not. */
export const STARTUP_HINT = 'Check that the client is a PostgreSQL client, and that it has the right port.';

function decodeCancelKey(body: Buffer): Buffer {
  const keyLength = body.length - 8;
  if (keyLength < MIN_CANCEL_KEY_LENGTH || keyLength > MAX_CANCEL_KEY_LENGTH) {
    throw malformed('a CancelRequest with a key of impossible length');
  }
  return body.subarray(4);
}

function decodeParameters(body: Buffer): StartupParameter[] {
  const parameters: StartupParameter[] = [];
  let offset = 4;
  for (;;) {
    const nameEnd = body.indexOf(0, offset);
    if (nameEnd === -1) throw malformed('no terminator');
    if (nameEnd === offset) break;
    const valueEnd = body.indexOf(0, nameEnd + 1);
    if (valueEnd === -1) throw malformed('a parameter without a value');
    const name = body.toString('latin1', offset, nameEnd);
    parameters.push({ name, value: body.subarray(nameEnd + 1, valueEnd) });
    offset = valueEnd + 1;
  }
  if (offset !== body.length - 1) throw malformed('stray bytes behind the terminator');
  return parameters;
}

function malformed(what: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, `invalid startup packet: ${what}`, {
    hint: STARTUP_HINT,
  });
}
