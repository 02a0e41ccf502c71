import type { Socket } from 'node:net';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { encodeFatal, encodeFatalV2 } from '../protocol/error-response.ts';
import { MAX_STARTUP_PACKET_LENGTH, MIN_STARTUP_PACKET_LENGTH } from '../protocol/limits.ts';
import {
  type CancelRequest,
  decodeStartupPacket,
  protocolMajor,
  protocolMinor,
  STARTUP_HINT,
  type StartupMessage,
} from '../protocol/startup.ts';
import type { SocketReader } from '../socket-reader.ts';

/** A client that speaks something else: it is answered in its own tongue, then closed. */
export class ForeignProtocolError extends Error {
  override readonly name = 'ForeignProtocolError';
  readonly response: Buffer;

  constructor(message: string, response: Buffer, cause?: unknown) {
    super(message, { cause });
    this.response = response;
  }
}

const REFUSED = Buffer.from('N');

/** Why a client left, where it is likely: some come back without TLS, others insist on it. */
export const LEFT_WITHOUT_TLS = 'refused TLS';

/** First byte of a TLS record that holds a handshake: direct TLS, without SSLRequest. */
const TLS_HANDSHAKE = 0x16;

/** TLS alert record: fatal, handshake_failure (RFC 8446, section 6). */
const TLS_ALERT = Buffer.from([0x15, 3, 1, 0, 2, 2, 40]);

const HTTP_METHODS = /^(?:GET |HEAD|POST|PUT |DELE|OPTI|PATC|CONN|TRAC|PRI )/;

const HTTP_RESPONSE = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks PostgreSQL, not HTTP.\n',
);

/**
 * Reads what a client wants: a session or a cancellation. Requests for encryption are refused with `N`
 * on the way (each once), since a local hop needs none.
 *
 * @throws {@link ProxyError} 08P01, 0A000; {@link ForeignProtocolError}; PeerClosedError; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function readClientRequest(
  client: Socket,
  reader: SocketReader,
  signal: AbortSignal,
): Promise<StartupMessage | CancelRequest> {
  const refused = new Set<string>();
  for (;;) {
    const packet = decodeStartupPacket(await readStartupPacket(reader, refused, signal).catch(left(refused)));
    switch (packet.kind) {
      case 'startup':
      case 'cancelRequest':
        return packet;
      case 'unsupported':
        throw unsupportedProtocol(packet.protocolVersion);
      case 'sslRequest':
      case 'gssEncRequest':
        if (refused.has(packet.kind)) throw violation(`a second ${packet.kind}`);
        if (reader.buffered > 0) throw violation(`unencrypted data behind ${packet.kind}`);
        refused.add(packet.kind);
        client.write(REFUSED);
    }
  }
}

/** Notes what a client that closed had been told before. */
function left(refused: ReadonlySet<string>): (error: unknown) => never {
  return (error) => {
    const isTelling = error instanceof PeerClosedError && refused.has('sslRequest');
    throw isTelling ? new PeerClosedError('client', LEFT_WITHOUT_TLS) : error;
  };
}

/** Reads one untyped packet: Int32 length (which counts itself), body. The length is checked first. */
async function readStartupPacket(
  reader: SocketReader,
  refused: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Buffer> {
  const head = await reader.read(4, signal);
  if (head[0] === TLS_HANDSHAKE) {
    const what = refused.has('sslRequest')
      ? 'the client starts TLS although it was refused'
      : 'the client starts with TLS (sslnegotiation=direct), which is not offered here';
    throw new ForeignProtocolError(
      `${what}: turn TLS off in the client (sslmode=disable, ssl: false)`,
      TLS_ALERT,
    );
  }
  if (HTTP_METHODS.test(head.toString('latin1'))) {
    throw new ForeignProtocolError('the client speaks HTTP', HTTP_RESPONSE);
  }
  const length = head.readUInt32BE(0);
  if (length < MIN_STARTUP_PACKET_LENGTH || length > MAX_STARTUP_PACKET_LENGTH) {
    throw violation(`invalid length of startup packet: ${length}`);
  }
  return reader.read(length - 4, signal);
}

/** A refusal in the form that a client of that version understands: before 3.0 errors had no fields. */
function unsupportedProtocol(version: number): ForeignProtocolError {
  const name = `${protocolMajor(version)}.${protocolMinor(version)}`;
  const error = new ProxyError(SqlState.featureNotSupported, `unsupported frontend protocol ${name}`, {
    hint: 'PostgreSQL has spoken protocol 3 since version 7.4: use a newer client library.',
  });
  const response = protocolMajor(version) < 3 ? encodeFatalV2(error) : encodeFatal(error);
  return new ForeignProtocolError(error.message, response, error);
}

function violation(message: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, message, { hint: STARTUP_HINT });
}
