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

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
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
export async function refusedLogin(port: number): Promise<DatabaseError> {
  const error = await connectPg(port).then(
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
