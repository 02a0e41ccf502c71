import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import pg, { type DatabaseError } from 'pg';
import { parse } from 'pg-protocol';
import { connectPg } from './proxy.ts';
import { until } from './wait.ts';

/** A connection to the proxy that says what a test wants, and keeps what it hears. */
export class RawClient {
  readonly socket: Socket;
  heard = Buffer.alloc(0);
  /** The proxy said that nothing more comes, or is gone. */
  ended = false;

  /** What a reset is made on. */
  readonly #bare: Socket;

  /**
   * @param where - a port of 127.0.0.1, or a connection that is there already.
   * @param bare - the connection below it, if that is not the same.
   */
  constructor(where: number | Socket, bare?: Socket) {
    this.socket =
      typeof where === 'number' ? connect({ host: '127.0.0.1', port: where, allowHalfOpen: true }) : where;
    this.#bare = bare ?? this.socket;
    const end = (): void => {
      this.ended = true;
    };
    this.socket.on('error', end).on('end', end).on('close', end);
    this.socket.on('data', (chunk: Buffer) => {
      this.heard = Buffer.concat([this.heard, chunk]);
    });
  }

  send(...parts: readonly (Buffer | string)[]): this {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
    return this;
  }

  /** Waits for as many bytes as that. */
  async hear(length: number): Promise<Buffer> {
    await until(`${length} bytes for the client`, () => this.heard.length >= length || this.ended);
    assert.ok(this.heard.length >= length, `closed after ${this.heard.length} bytes`);
    return this.heard.subarray(0, length);
  }

  /** Waits for a message, takes it away from what was heard, and gives its body. */
  async takeMessage(): Promise<Buffer> {
    const length = 1 + (await this.hear(5)).readUInt32BE(1);
    const body = (await this.hear(length)).subarray(5);
    this.heard = this.heard.subarray(length);
    return body;
  }

  /** Waits until the kernel has everything that was said. */
  async flush(): Promise<void> {
    await new Promise((resolve) => {
      this.socket.write(Buffer.alloc(0), resolve);
    });
  }

  /** Ends without a goodbye: on TCP with a reset; a Unix socket knows none. */
  reset(): void {
    if (this.#bare.remoteFamily === undefined) this.#bare.destroy();
    else this.#bare.resetAndDestroy();
  }

  /** Waits for the proxy's last byte, closes too, and gives all that was heard. */
  async end(): Promise<Buffer> {
    await until('the proxy to close', () => this.ended);
    this.socket.end();
    return this.heard;
  }

  /** The error that the proxy closed with. */
  async refusal(): Promise<DatabaseError> {
    return onlyError(await this.end());
  }
}

/** The ErrorResponse that is all there is, read by pg-protocol. */
export async function onlyError(bytes: Buffer): Promise<DatabaseError> {
  const found: unknown[] = [];
  await parse(Readable.from([bytes]), (one) => found.push(one));
  assert.equal(found.length, 1, `not one message: ${bytes.toString('latin1')}`);
  assert.equal(bytes.length, 1 + bytes.readUInt32BE(1), 'bytes behind the message');
  const [error] = found;
  assert.ok(error instanceof pg.DatabaseError);
  return error;
}

/** What `pg` is told when it tries to log in. */
export async function refusedLogin(port: number, options: pg.ClientConfig = {}): Promise<DatabaseError> {
  const error = await connectPg(port, options).then(
    async (connection) => {
      await connection[Symbol.asyncDispose]();
      return undefined;
    },
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof pg.DatabaseError, `not an ErrorResponse: ${String(error)}`);
  assert.equal(error.severity, 'FATAL');
  return error;
}
