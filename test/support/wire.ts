import type { Socket } from 'node:net';
import { decodeErrorFields, type ErrorFields } from '../../src/protocol/error-response.ts';
import { encodeStartupMessage } from '../../src/protocol/startup.ts';
import { until } from './wait.ts';

export interface WireMessage {
  readonly type: string;
  readonly body: Buffer;
}

export const PROTOCOL_3_0 = 0x3_0000;
export const PROTOCOL_3_2 = 0x3_0002;

/** A client that speaks the protocol by hand, and keeps all that it hears. */
export class WireClient {
  readonly socket: Socket;
  readonly messages: WireMessage[] = [];
  ended = false;
  closed = false;
  #rest = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => {
      this.ended = true;
      socket.end();
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        this.closed = true;
      });
  }

  /** Bytes of a message that has not come to its end. */
  get rest(): Buffer {
    return this.#rest;
  }

  startUp(parameters: Record<string, string> = {}, protocolVersion = PROTOCOL_3_0): void {
    const pairs = Object.entries({ user: 'anyone', database: 'app', ...parameters });
    this.socket.write(
      encodeStartupMessage({
        protocolVersion,
        parameters: pairs.map(([name, value]) => ({ name, value: Buffer.from(value) })),
      }),
    );
  }

  send(...messages: Buffer[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  query(sql: string): void {
    this.send(message('Q', `${sql}\0`));
  }

  of(type: string): WireMessage[] {
    return this.messages.filter((one) => one.type === type);
  }

  /** Waits for the nth message of a type, from 1. */
  async wait(type: string, count = 1): Promise<WireMessage> {
    await until(`message ${count} of type ${type}`, () => this.of(type).length >= count || this.closed);
    const found = this.of(type)[count - 1];
    if (found === undefined) throw new Error(`closed before message ${count} of type ${type}`);
    return found;
  }

  /** Waits for an ErrorResponse and gives its fields. */
  async waitError(): Promise<ErrorFields> {
    return decodeErrorFields((await this.wait('E')).body);
  }

  waitEnd(): Promise<void> {
    return until('the proxy to close', () => this.ended || this.closed);
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 5) {
      const end = 1 + this.#rest.readUInt32BE(1);
      if (this.#rest.length < end) return;
      const type = String.fromCharCode(this.#rest[0] as number);
      this.messages.push({ type, body: this.#rest.subarray(5, end) });
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** A typed message: Byte1 type, Int32 length, body. */
export function message(type: string, body: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

/** Parse, Bind and Execute of a statement without parameters, and no Sync. */
export function extendedQuery(sql: string): Buffer {
  return Buffer.concat([
    message('P', `\0${sql}\0\0\0`),
    message('B', '\0\0\0\0\0\0\0\0'),
    message('E', '\0\0\0\0\0'),
  ]);
}
