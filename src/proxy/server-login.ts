import type { Socket } from 'node:net';
import { ProxyError, SqlState } from '../errors.ts';
import { encodePasswordMessage } from '../protocol/authentication.ts';
import type { ErrorFields } from '../protocol/error-response.ts';
import { LoginMessages, serverViolation } from './login-messages.ts';

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
  const messages = new LoginMessages(server, signal);
  try {
    server.write(login.startup);
    return await followLogin(server, messages, login);
  } finally {
    messages.detach();
  }
}

async function followLogin(server: Socket, messages: LoginMessages, login: ServerLogin): Promise<Buffer> {
  const said: Buffer[] = [];
  let tokenSent = false;
  for (;;) {
    const message = await messages.next();
    switch (message.kind) {
      case 'error':
        throw new ServerRejection(Buffer.concat(said), message.bytes, message.fields);
      case 'notice':
        said.push(message.bytes);
        break;
      case 'authentication': {
        const { request } = message;
        if (request.kind === 'ok') return Buffer.concat([...said, message.bytes]);
        if (request.kind !== 'cleartextPassword') throw notAnEntraRole(login.role, request.method);
        if (tokenSent) throw serverViolation('the server asks for the password a second time');
        server.write(encodePasswordMessage(login.token));
        tokenSent = true;
      }
    }
  }
}

function notAnEntraRole(role: string, method: string): ProxyError {
  return new ProxyError(
    SqlState.invalidAuthorization,
    `the server wants ${method} authentication for role "${role}", not a token`,
    {
      hint:
        `"${role}" is not an Entra role on this server, or Entra authentication is off there. ` +
        "Make the role with select * from pgaadauth_create_principal('NAME', false, false), or set --user.",
    },
  );
}
