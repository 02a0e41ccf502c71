import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { encodeStartupMessage } from '../../src/protocol/startup.ts';
import { encodeMessage } from './message.ts';
import { startTls } from './start-tls.ts';
import type { Target } from './target.ts';

const PROTOCOL_3_0 = 0x3_0000;

const AUTHENTICATION = 0x52;
const ERROR_RESPONSE = 0x45;
const READY_FOR_QUERY = 0x5a;
const COPY_IN_RESPONSE = 0x47;

const AUTHENTICATION_OK = 0;
const AUTHENTICATION_CLEARTEXT = 3;

/** ReadyForQuery outside of a transaction. No text value or COPY row holds a zero byte, so none looks like it. */
const READY = Buffer.from([READY_FOR_QUERY, 0, 0, 0, 5, 0x49]);

/** A client session that does nothing but what is measured: no parsing of what it need not know. */
export class WireSession {
  readonly #socket: Socket;
  readonly #password: string;
  #rest: Buffer = Buffer.alloc(0);
  #waiting: PromiseWithResolvers<void> | undefined;
  /** Why there will be no further answer. */
  #failure: Error | undefined;
  /** Undefined: messages are looked at. Else: bytes are only counted, up to ReadyForQuery. */
  #counted: number | undefined;
  #tail: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, password: string) {
    this.#socket = socket;
    this.#password = password;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
    socket.on('end', () => socket.end());
  }

  /** Connects and logs in, as libpq does: step by step. */
  static async open(target: Target): Promise<WireSession> {
    const tcp = connect({ host: target.host, port: target.port, noDelay: true });
    const socket = target.tls === undefined ? tcp : await startTls(tcp, target.tls);
    const session = new WireSession(socket, target.password);
    const parameters = Object.entries({ user: target.role, database: target.database });
    await session.#exchange(
      encodeStartupMessage({
        protocolVersion: PROTOCOL_3_0,
        parameters: parameters.map(([name, value]) => ({ name, value: Buffer.from(value) })),
      }),
    );
    return session;
  }

  /** Sends one statement as a simple query and waits for its end. */
  query(sql: string): Promise<void> {
    return this.#exchange(encodeMessage('Q', `${sql}\0`));
  }

  /** As {@link query}, for a large result of text. @returns how many bytes came. */
  async drain(sql: string): Promise<number> {
    this.#counted = 0;
    try {
      await this.query(sql);
      return this.#counted;
    } finally {
      this.#counted = undefined;
    }
  }

  /** Starts `COPY ... FROM STDIN` and sends the chunk, of whole CopyData messages, so many times. */
  async copyIn(sql: string, chunk: Buffer, times: number): Promise<void> {
    await this.query(sql);
    const failed = this.#expect();
    // Awaited below; until then its failure is nobody's surprise.
    failed.catch(() => {});
    for (let sent = 0; sent < times; sent += 1) {
      if (!this.#socket.write(chunk)) await Promise.race([once(this.#socket, 'drain'), failed]);
    }
    this.#socket.write(encodeMessage('c'));
    await failed;
  }

  /** Terminate, and waits until the other side has hung up too. */
  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
    });
    this.#socket.end(encodeMessage('X'));
    await closed;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #exchange(bytes: Buffer): Promise<void> {
    const answer = this.#expect();
    this.#socket.write(bytes);
    return answer;
  }

  #expect(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #done(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  #take(chunk: Buffer): void {
    if (this.#counted !== undefined) return this.#count(chunk);
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 5) {
      const end = 1 + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.#handle(bytes[0] ?? 0, bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  #count(chunk: Buffer): void {
    this.#counted = (this.#counted ?? 0) + chunk.length;
    const last = chunk.length >= READY.length ? chunk : Buffer.concat([this.#tail, chunk]);
    this.#tail = last.subarray(-READY.length);
    if (this.#tail.equals(READY)) this.#done();
  }

  #handle(type: number, body: Buffer): void {
    switch (type) {
      case AUTHENTICATION:
        return this.#authenticate(body.readUInt32BE(0));
      case ERROR_RESPONSE:
        // Fields: Byte1 code, value, \0.
        return this.#fail(new Error(body.toString('utf8').replaceAll('\0', ' ').trim()));
      case READY_FOR_QUERY:
      case COPY_IN_RESPONSE:
        return this.#done();
      default:
    }
  }

  #authenticate(code: number): void {
    if (code === AUTHENTICATION_OK) return;
    if (code === AUTHENTICATION_CLEARTEXT) this.#socket.write(encodeMessage('p', `${this.#password}\0`));
    else
      this.#fail(new Error(`the server asks for authentication ${code}; the benchmark knows cleartext only`));
  }
}
