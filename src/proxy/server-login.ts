import type { Socket } from 'node:net';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { encodePasswordMessage } from '../protocol/authentication.ts';
import type { ErrorFields } from '../protocol/error-response.ts';
import { type LoginMessage, LoginMessages, serverViolation } from './login-messages.ts';

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
  /**
   * The token goes out with the startup, in one flight, which saves a round trip: only for a server that is
   * known to ask for it.
   */
  readonly isForeseen?: boolean;
  /** How long the server may be silent at first: for a connection that was opened a while ago. */
  readonly answerWithinMs?: number | undefined;
}

/** How it went. */
export interface ServerAnswer {
  /** What the server said, AuthenticationOk last, less its request for the password: for the client. */
  readonly said: Buffer;
  /** Whether it asked for the password. */
  readonly isTokenAsked: boolean;
}

/** A connection that was there before its login turned out to lead nowhere. Nothing has been heard on it. */
export class DeadConnectionError extends Error {
  override readonly name = 'DeadConnectionError';
}

/** The server did not ask for what it had been given already: the login is to be made again, step by step. */
export class UnforeseenRequestError extends Error {
  override readonly name = 'UnforeseenRequestError';
}

/**
 * Logs in on a fresh, verified connection.
 *
 * @returns once the server has let it in. All that follows is still unread in the socket.
 * @throws {@link ServerRejection} with the server's ErrorResponse; {@link ProxyError} 28000 if it wants
 *   anything but the token, 08P01 if it speaks no sense, 08006 if it leaves; {@link UnforeseenRequestError};
 *   {@link DeadConnectionError}, with `answerWithinMs` only; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function logInToServer(
  server: Socket,
  login: ServerLogin,
  signal: AbortSignal,
): Promise<ServerAnswer> {
  const messages = new LoginMessages(server, signal);
  try {
    const { startup, token, isForeseen = false } = login;
    server.write(isForeseen ? Buffer.concat([startup, encodePasswordMessage(token)]) : startup);
    const first = await firstAnswer(server, messages, login.answerWithinMs);
    return await followLogin(server, messages, first, login);
  } finally {
    messages.detach();
  }
}

/** A server that is gone without a trace is not to be waited for until the login deadline. */
async function firstAnswer(
  server: Socket,
  messages: LoginMessages,
  answerWithinMs: number | undefined,
): Promise<LoginMessage> {
  if (answerWithinMs === undefined) return messages.next();
  const timer = setTimeout(() => server.destroy(), answerWithinMs);
  try {
    return await messages.next();
  } catch (error) {
    const isLost = error instanceof ProxyError && error.cause instanceof PeerClosedError;
    throw isLost && !messages.isUnderWay ? new DeadConnectionError() : error;
  } finally {
    clearTimeout(timer);
  }
}

async function followLogin(
  server: Socket,
  messages: LoginMessages,
  first: LoginMessage,
  { role, token, isForeseen = false }: ServerLogin,
): Promise<ServerAnswer> {
  const said: Buffer[] = [];
  let isTokenAsked = false;
  for (let message = first; ; message = await messages.next()) {
    switch (message.kind) {
      case 'error':
        throw new ServerRejection(Buffer.concat(said), message.bytes, message.fields);
      case 'notice':
        said.push(message.bytes);
        break;
      case 'authentication': {
        const { request } = message;
        if (isForeseen && !isTokenAsked && request.kind !== 'cleartextPassword')
          throw new UnforeseenRequestError();
        if (request.kind === 'ok') return { said: Buffer.concat([...said, message.bytes]), isTokenAsked };
        if (request.kind !== 'cleartextPassword') throw notAnEntraRole(role, request.method);
        if (isTokenAsked) throw serverViolation('the server asks for the password a second time');
        if (!isForeseen) server.write(encodePasswordMessage(token));
        isTokenAsked = true;
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
