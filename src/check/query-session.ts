import type { Socket } from 'node:net';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { decodeErrorFields, type ErrorFields } from '../protocol/error-response.ts';
import { decodeDataRow, encodeQuery, encodeTerminate } from '../protocol/query.ts';
import { closeGently } from '../proxy/linger.ts';
import { serverViolation } from '../proxy/login-messages.ts';
import { withoutTokens } from '../redact.ts';
import { SocketReader } from '../socket-reader.ts';

/** More than any answer to our questions has, in bytes. */
const MAX_MESSAGE_LENGTH = 1_048_576;

/** How many rows or other messages one answer may have. */
const MAX_MESSAGES = 1_000;

/** The server refused something once it had let us in. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly fields: ErrorFields;

  constructor(fields: ErrorFields) {
    super(`${withoutTokens(fields.message)} (${fields.sqlState})`);
    this.fields = fields;
  }
}

interface Message {
  readonly type: string;
  readonly body: Buffer;
}

interface Answer {
  readonly rows: (string | null)[][];
  /** The server goes on all the same. */
  readonly refusal: QueryError | undefined;
}

/** Asks a server a few questions, one after the other, with simple queries. */
export class QuerySession {
  readonly #socket: Socket;
  readonly #reader: SocketReader;
  readonly #timeoutMs: number;
  /** Why there is nothing more to be asked. */
  #end: Error | undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#reader = new SocketReader(socket, 'server');
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Waits until the server takes queries.
   *
   * @param socket - where AuthenticationOk has just come. It is closed if this fails.
   * @param timeoutMs - the longest that each answer may take.
   * @throws {@link QueryError} if the server thinks otherwise of letting us in; ProxyError as {@link query}.
   */
  static async start(socket: Socket, timeoutMs: number): Promise<QuerySession> {
    const session = new QuerySession(socket, timeoutMs);
    try {
      const { refusal } = await session.#answer();
      if (refusal !== undefined) throw refusal;
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /**
   * @returns the rows, each column as text.
   * @throws {@link QueryError} if the server refuses it; ProxyError if there is no answer, or one that makes
   *   no sense.
   */
  async query(sql: string): Promise<(string | null)[][]> {
    if (this.#end !== undefined) throw this.#end;
    this.#socket.write(encodeQuery(sql));
    const { rows, refusal } = await this.#answer();
    if (refusal !== undefined) throw refusal;
    return rows;
  }

  /** Says goodbye. */
  close(): void {
    this.#reader.detach();
    void closeGently(this.#socket, encodeTerminate());
  }

  async #answer(): Promise<Answer> {
    try {
      return await this.#readAnswer();
    } catch (error) {
      this.#end = error as Error;
      throw error;
    }
  }

  /**
   * Reads as far as the next ReadyForQuery.
   *
   * @throws what ends the session.
   */
  async #readAnswer(): Promise<Answer> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const rows: (string | null)[][] = [];
    let refusal: QueryError | undefined;
    for (let count = 0; count < MAX_MESSAGES; count += 1) {
      const { type, body } = await this.#next(signal);
      if (type === 'Z') return { rows, refusal };
      if (type === 'D') rows.push(decodeDataRow(body));
      if (type !== 'E') continue;
      refusal = new QueryError(decodeErrorFields(body));
      if (refusal.fields.severity !== 'ERROR') throw refusal;
    }
    throw serverViolation('the server says too much for an answer');
  }

  async #next(signal: AbortSignal): Promise<Message> {
    try {
      const head = await this.#reader.read(5, signal);
      const length = head.readUInt32BE(1) - 4;
      if (length < 0 || length > MAX_MESSAGE_LENGTH)
        throw serverViolation('the server sent a message of impossible length');
      return { type: head.toString('latin1', 0, 1), body: await this.#reader.read(length, signal) };
    } catch (error) {
      if (error instanceof PeerClosedError) throw lost(error);
      throw signal.aborted ? tooSlow(this.#timeoutMs) : error;
    }
  }
}

function lost(error: PeerClosedError): ProxyError {
  return new ProxyError(SqlState.connectionFailure, 'the server closed the connection', {
    hint: "It may be restarting or failing over: try again, and look at the server's log.",
    cause: error,
  });
}

function tooSlow(timeoutMs: number): ProxyError {
  return new ProxyError(
    SqlState.connectionFailure,
    `the server gave no answer within ${timeoutMs / 1_000} s`,
    {
      hint: "Look at the server's load and log; --connect-timeout sets how long to wait.",
    },
  );
}
