import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_BODY_LENGTH } from '../protocol/limits.ts';
import type { SocketReader } from '../socket-reader.ts';

/** PasswordMessage, SASLInitialResponse and SASLResponse all have this type. */
const PASSWORD = 0x70;
const TERMINATE = 0x58;

/**
 * Reads a client's answer to an authentication request: Byte1 'p', Int32 length, body. Type and length are
 * checked first; what the body says is between the client and the server.
 *
 * @returns the whole message as it came.
 * @throws {@link ProxyError} 08P01 for anything else; PeerClosedError if the client leaves, politely or not;
 *   the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PASSWORDMESSAGE
 */
export async function readAnswer(reader: SocketReader, signal: AbortSignal): Promise<Buffer> {
  const head = await reader.read(5, signal);
  if (head[0] === TERMINATE) throw new PeerClosedError('client', 'Terminate instead of a password');
  if (head[0] !== PASSWORD) {
    throw new ProxyError(
      SqlState.protocolViolation,
      `expected password response, got message type ${head[0]}`,
      {
        hint: 'The server asks this user for a password: the client must answer before it sends anything else.',
      },
    );
  }
  const bodyLength = head.readUInt32BE(1) - 4;
  if (bodyLength < 0 || bodyLength > MAX_PASSWORD_BODY_LENGTH) {
    throw new ProxyError(SqlState.protocolViolation, 'invalid password packet size', {
      hint: `PostgreSQL reads no more than ${MAX_PASSWORD_BODY_LENGTH} bytes of it.`,
    });
  }
  return Buffer.concat([head, await reader.read(bodyLength, signal)]);
}
