import type { Readable, Writable } from 'node:stream';

/** More bytes than the answer to a small query has; what is shorter goes out at once. */
const STREAM_CHUNK_LENGTH = 4_096;

/** How much a session may pass on before others have their turn: else libuv reads up to 2 MB of it at a time. */
const TURN_LENGTH = 65_536;

/**
 * Passes on what a server says, in turns of the event loop. TLS gives a stream record by record (PostgreSQL's
 * have 8 KB): what has come together is written together. And a session that streams lets others have their
 * turn, so that eight big results do not make a ninth session wait for its small one.
 */
export class Turns {
  readonly #from: Readable;
  readonly #to: Writable;
  #isUnderWay = false;
  #length = 0;

  constructor(from: Readable, to: Writable) {
    this.#from = from;
    this.#to = to;
    to.on('drain', () => {
      if (!this.#isUnderWay) from.resume();
    });
  }

  pass(chunk: Buffer): void {
    if (!this.#isUnderWay && chunk.length >= STREAM_CHUNK_LENGTH) this.#begin();
    const isReady = this.#to.write(chunk);
    if (this.#isUnderWay) this.#length += chunk.length;
    if (!isReady || this.#length >= TURN_LENGTH) this.#from.pause();
  }

  #begin(): void {
    this.#isUnderWay = true;
    this.#to.cork();
    setImmediate(this.#end);
  }

  readonly #end = (): void => {
    this.#isUnderWay = false;
    this.#length = 0;
    this.#to.uncork();
    if (!this.#to.writableNeedDrain) this.#from.resume();
  };
}
