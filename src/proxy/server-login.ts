import type { Socket } from 'node:net';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import {
  type AuthenticationRequest,
  decodeAuthenticationRequest,
  encodePasswordMessage,
} from '../protocol/authentication.ts';
import { decodeErrorFields, type ErrorFields } from '../protocol/error-response.ts';
import {
  MAX_AUTHENTICATION_BODY_LENGTH,
  MAX_LOGIN_MESSAGE_BODY_LENGTH,
  MAX_LOGIN_TOTAL_LENGTH,
} from '../protocol/limits.ts';
import { SocketReader } from '../socket-reader.ts';

/** The server said no, in its own words, which are what the client gets to see. */
export class ServerRejection extends Error {
  override readonly name = 'ServerRejection';
  /** What the server said before, byte for byte: NOTICEs and the like. */
  readonly notices: Buffer;
  /** Its ErrorResponse, type and length included. */
  readonly errorResponse: Buffer;
  readonly fields: ErrorFields;

  constructor(notices: Buffer, errorResponse: Buffer, fields: ErrorFields) {
    super(fields.message);
    this.notices = notices;
    this.errorResponse = errorResponse;
    this.fields = fields;
  }

  /** All of it, for the client. */
  get response(): Buffer {
    return Buffer.concat([this.notices, this.errorResponse]);
  }
}

export interface ServerLogin {
  /** A StartupMessage, encoded. */
  readonly startup: Buffer;
  readonly role: string;
  /** Sent if, and only if, the server asks for a cleartext password; once at most. */
  readonly token: string;
}

interface Message {
  readonly type: string;
  readonly body: Buffer;
  /** Type, length and body as they came. */
  readonly bytes: Buffer;
}

/**
 * Logs in on a fresh, verified connection.
 *
 * @returns what the server said, AuthenticationOk last, less its request for the password: for the
 *   client. All that follows is still unread in the socket.
 * @throws {@link ServerRejection} with the server's ErrorResponse; {@link ProxyError} 28000 if it wants
 *   anything but the token, 08P01 if it speaks no sense, 08006 if it leaves; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function logInToServer(
  server: Socket,
  login: ServerLogin,
  signal: AbortSignal,
): Promise<Buffer> {
  const reader = new SocketReader(server, 'server');
  try {
    server.write(login.startup);
    return await followLogin(server, reader, login, signal);
  } catch (error) {
    if (error instanceof PeerClosedError) throw lostDuringLogin(error);
    if (error instanceof ProxyError && error.sqlState === SqlState.protocolViolation)
      throw violation(error.message);
    throw error;
  } finally {
    reader.detach();
  }
}

async function followLogin(
  server: Socket,
  reader: SocketReader,
  login: ServerLogin,
  signal: AbortSignal,
): Promise<Buffer> {
  const said: Buffer[] = [];
  let total = 0;
  let tokenSent = false;
  for (;;) {
    const message = await readMessage(reader, signal);
    total += message.bytes.length;
    if (total > MAX_LOGIN_TOTAL_LENGTH) throw violation('the server says too much before it lets anybody in');
    if (message.type === 'R') {
      const request = decodeAuthenticationRequest(message.body);
      if (request.kind === 'ok') return Buffer.concat([...said, message.bytes]);
      if (request.kind === 'other') throw notAnEntraRole(login.role, request);
      if (tokenSent) throw violation('the server asks for the password a second time');
      server.write(encodePasswordMessage(login.token));
      tokenSent = true;
      continue;
    }
    if (message.type === 'E') {
      throw new ServerRejection(Buffer.concat(said), message.bytes, decodeErrorFields(message.body));
    }
    said.push(message.bytes);
  }
}

const MAX_BODY_LENGTHS: Readonly<Record<string, number>> = {
  R: MAX_AUTHENTICATION_BODY_LENGTH,
  E: MAX_LOGIN_MESSAGE_BODY_LENGTH,
  N: MAX_LOGIN_MESSAGE_BODY_LENGTH,
  v: MAX_LOGIN_MESSAGE_BODY_LENGTH,
};

/** Reads one typed message: Byte1 type, Int32 length, body. Type and length are checked first. */
async function readMessage(reader: SocketReader, signal: AbortSignal): Promise<Message> {
  const head = await reader.read(5, signal);
  const type = String.fromCharCode(head[0] as number);
  const bodyLength = head.readUInt32BE(1) - 4;
  const maxLength = MAX_BODY_LENGTHS[type];
  if (maxLength === undefined) throw violation('the server sent a message that does not belong into a login');
  if (bodyLength < 0 || bodyLength > maxLength)
    throw violation(`the server sent a message of impossible length`);
  const body = await reader.read(bodyLength, signal);
  return { type, body, bytes: Buffer.concat([head, body]) };
}

function notAnEntraRole(role: string, request: AuthenticationRequest & { kind: 'other' }): ProxyError {
  return new ProxyError(
    SqlState.invalidAuthorization,
    `the server wants ${request.method} authentication for role "${role}", not a token`,
    {
      hint:
        `"${role}" is not an Entra role on this server, or Entra authentication is off there. ` +
        "Make the role with select * from pgaadauth_create_principal('NAME', false, false), or set --user.",
    },
  );
}

function lostDuringLogin(error: PeerClosedError): ProxyError {
  return new ProxyError(SqlState.connectionFailure, 'the server closed the connection during the login', {
    hint: "It may be restarting or failing over: try again, and look at the server's log.",
    cause: error,
  });
}

function violation(message: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, message, {
    hint: 'Check that --upstream-address and --upstream-port point at PostgreSQL itself.',
  });
}
