import type { SecureContext } from 'node:tls';
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
import type { ClientConnection } from './client-connection.ts';

/** A client that speaks something else: it is answered in its own tongue, then closed. */
export class ForeignProtocolError extends Error {
  override readonly name = 'ForeignProtocolError';
  readonly response: Buffer;

  constructor(message: string, response: Buffer, cause?: unknown) {
    super(message, { cause });
    this.response = response;
  }
}

const ACCEPTED = Buffer.from('S');
const REFUSED = Buffer.from('N');

/** Why a client left, where it is likely: some come back without TLS, others insist on it. */
export const LEFT_WITHOUT_TLS = 'refused TLS';

/** The same for one that got TLS, and then said nothing: names are checked when the handshake is over. */
export const LEFT_AFTER_HANDSHAKE = 'got TLS';

/** First byte of a TLS record that holds a handshake: direct TLS, without SSLRequest. */
const TLS_HANDSHAKE = 0x16;

/** TLS alert record: fatal, handshake_failure (RFC 8446, section 6). */
const TLS_ALERT = Buffer.from([0x15, 3, 1, 0, 2, 2, 40]);

const HTTP_METHODS = /^(?:GET |HEAD|POST|PUT |DELE|OPTI|PATC|CONN|TRAC|PRI )/;

const HTTP_RESPONSE = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks PostgreSQL, not HTTP.\n',
);

type Encryption = 'sslRequest' | 'gssEncRequest';

const NAMES: Readonly<Record<Encryption, string>> = {
  sslRequest: 'SSL request',
  gssEncRequest: 'GSSAPI encryption request',
};

/**
 * Reads what a client wants: a session or a cancellation. On the way TLS begins, if the client wants it and
 * we have a certificate to show; other requests for encryption are refused with `N` (each once), since a
 * local hop needs none.
 *
 * @throws {@link ProxyError} 08P01, 0A000; {@link ForeignProtocolError}; PeerClosedError; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function readRequest(
  connection: ClientConnection,
  signal: AbortSignal,
): Promise<StartupMessage | CancelRequest> {
  const answered = new Set<Encryption>();
  for (;;) {
    const head = await readHead(connection, answered, signal);
    const packet = decodeStartupPacket(await readBody(head, connection.reader, signal));
    switch (packet.kind) {
      case 'startup':
      case 'cancelRequest':
        return packet;
      case 'unsupported':
        throw unsupportedProtocol(packet.protocolVersion);
      case 'sslRequest':
      case 'gssEncRequest':
        await answerEncryption(packet.kind, connection, answered, signal);
    }
  }
}

async function answerEncryption(
  wanted: Encryption,
  connection: ClientConnection,
  answered: Set<Encryption>,
  signal: AbortSignal,
): Promise<void> {
  if (answered.has(wanted)) throw violation(`unexpected ${NAMES[wanted]}`);
  const tls = wanted === 'sslRequest' ? await connection.tlsOffer(signal) : undefined;
  // Bytes that came before our answer came in the clear: they must not pass for a part of what is encrypted.
  if (connection.reader.buffered > 0) throw violation(`received unencrypted data after ${NAMES[wanted]}`);
  answered.add(wanted);
  connection.socket.write(tls === undefined ? REFUSED : ACCEPTED);
  if (tls === undefined) return;
  await connection.startTls(tls, signal);
  // As in PostgreSQL: once encryption has been asked for and granted, no other is to be had.
  answered.add('gssEncRequest');
}

/** Waits for a packet's first four bytes. A client that begins with TLS gets it on the way, if it may. */
async function readHead(
  connection: ClientConnection,
  answered: ReadonlySet<Encryption>,
  signal: AbortSignal,
): Promise<Buffer> {
  const head = await connection.reader.read(4, signal).catch(left(connection, answered));
  if (head[0] !== TLS_HANDSHAKE || connection.tls !== undefined) return head;
  const tls = await connection.tlsOffer(signal);
  if (tls === undefined) throw unwantedTls(answered);
  await startDirectTls(connection, head, tls, signal);
  return readHead(connection, answered, signal);
}

/**
 * TLS without SSLRequest (sslnegotiation=direct). Without ALPN anything that speaks TLS could be made to
 * speak to us, a browser for example; PostgreSQL then hangs up, here the client is told.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
async function startDirectTls(
  connection: ClientConnection,
  head: Buffer,
  tls: SecureContext,
  signal: AbortSignal,
): Promise<void> {
  connection.reader.unread(head);
  await connection.startTls(tls, signal);
  if (connection.tls?.saidPostgresql === true) return;
  throw new ProxyError(
    SqlState.protocolViolation,
    'received direct SSL connection request without ALPN protocol negotiation extension',
    { hint: 'A client that starts TLS without SSLRequest must name "postgresql" in ALPN, as libpq 17 does.' },
  );
}

function unwantedTls(answered: ReadonlySet<Encryption>): ForeignProtocolError {
  const what = answered.has('sslRequest')
    ? 'the client starts TLS although it was refused'
    : 'the client starts with TLS (sslnegotiation=direct), which is not offered here';
  const help = 'turn TLS off in the client (sslmode=disable, ssl: false), or see --local-tls-cert';
  return new ForeignProtocolError(`${what}: ${help}`, TLS_ALERT);
}

/** Notes how far a client that closed had come. */
function left(connection: ClientConnection, answered: ReadonlySet<Encryption>): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof PeerClosedError)) throw error;
    if (connection.tls !== undefined) throw new PeerClosedError('client', LEFT_AFTER_HANDSHAKE);
    throw answered.has('sslRequest') ? new PeerClosedError('client', LEFT_WITHOUT_TLS) : error;
  };
}

/** Reads the rest of an untyped packet: Int32 length (which counts itself), body. The length is checked first. */
async function readBody(head: Buffer, reader: SocketReader, signal: AbortSignal): Promise<Buffer> {
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
