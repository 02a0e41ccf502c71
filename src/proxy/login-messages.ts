import type { Socket } from 'node:net';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { type AuthenticationRequest, decodeAuthenticationRequest } from '../protocol/authentication.ts';
import { decodeErrorFields, type ErrorFields } from '../protocol/error-response.ts';
import {
  MAX_AUTHENTICATION_BODY_LENGTH,
  MAX_LOGIN_MESSAGE_BODY_LENGTH,
  MAX_LOGIN_TOTAL_LENGTH,
} from '../protocol/limits.ts';
import { SocketReader } from '../socket-reader.ts';

/** What a server may say before it lets anybody in; `bytes` are type, length and body as they came. */
export type LoginMessage =
  | { readonly kind: 'authentication'; readonly bytes: Buffer; readonly request: AuthenticationRequest }
  | { readonly kind: 'error'; readonly bytes: Buffer; readonly fields: ErrorFields }
  /** NoticeResponse or NegotiateProtocolVersion. */
  | { readonly kind: 'notice'; readonly bytes: Buffer };

const MAX_BODY_LENGTHS: Readonly<Record<string, number>> = {
  R: MAX_AUTHENTICATION_BODY_LENGTH,
  E: MAX_LOGIN_MESSAGE_BODY_LENGTH,
  N: MAX_LOGIN_MESSAGE_BODY_LENGTH,
  v: MAX_LOGIN_MESSAGE_BODY_LENGTH,
};

/** Reads what a server says during a login, message by message, and nothing behind the one asked for. */
export class LoginMessages {
  readonly #reader: SocketReader;
  readonly #signal: AbortSignal;
  #total = 0;
  #isUnderWay = false;

  constructor(server: Socket, signal: AbortSignal) {
    this.#reader = new SocketReader(server, 'server');
    this.#signal = signal;
  }

  /** Whether the server has said anything, and be it half a message. */
  get isUnderWay(): boolean {
    return this.#isUnderWay || this.#reader.buffered > 0;
  }

  /**
   * Waits for the next one. One call at a time.
   *
   * @throws {@link ProxyError} 08P01 if the server speaks no sense, or too much; 08006 if it leaves; the
   *   signal's reason.
   */
  async next(): Promise<LoginMessage> {
    try {
      const head = await this.#reader.read(5, this.#signal);
      this.#isUnderWay = true;
      const type = String.fromCharCode(head[0] as number);
      const body = await this.#reader.read(this.#bodyLength(type, head.readUInt32BE(1)), this.#signal);
      return decode(type, body, Buffer.concat([head, body]));
    } catch (error) {
      if (error instanceof PeerClosedError && error.peer === 'server') throw lostDuringLogin(error);
      if (error instanceof ProxyError && error.sqlState === SqlState.protocolViolation)
        throw serverViolation(error.message);
      throw error;
    }
  }

  /** Stops listening. What was not asked for stays in the socket. */
  detach(): void {
    this.#reader.detach();
  }

  /** Checks type and length (Int32, which counts itself) before anything is read for them. */
  #bodyLength(type: string, length: number): number {
    const maxLength = MAX_BODY_LENGTHS[type];
    if (maxLength === undefined)
      throw serverViolation('the server sent a message that does not belong into a login');
    const bodyLength = length - 4;
    if (bodyLength < 0 || bodyLength > maxLength)
      throw serverViolation('the server sent a message of impossible length');
    this.#total += length + 1;
    if (this.#total > MAX_LOGIN_TOTAL_LENGTH)
      throw serverViolation('the server says too much before it lets anybody in');
    return bodyLength;
  }
}

function decode(type: string, body: Buffer, bytes: Buffer): LoginMessage {
  switch (type) {
    case 'R':
      return { kind: 'authentication', bytes, request: decodeAuthenticationRequest(body) };
    case 'E':
      return { kind: 'error', bytes, fields: decodeErrorFields(body) };
    default:
      return { kind: 'notice', bytes };
  }
}

function lostDuringLogin(error: PeerClosedError): ProxyError {
  return new ProxyError(SqlState.connectionFailure, 'the server closed the connection during the login', {
    hint: "It may be restarting or failing over: try again, and look at the server's log.",
    cause: error,
  });
}

/** What to say when a server does not follow the protocol. */
export function serverViolation(message: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, message, {
    hint: 'Check that --upstream-address and --upstream-port point at PostgreSQL itself.',
  });
}
