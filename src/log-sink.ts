import { write, writeSync } from 'node:fs';

/** What may wait to be written, in characters; further lines are dropped. */
const MAX_WAITING_LENGTH = 1_048_576;

/** What is written at once: no more than fits into a pipe. */
const MAX_CHUNK_LENGTH = 65_536;

/** A write that takes longer than this may never come to its end. */
const STUCK_MS = 1_000;

/** How soon a full pipe is tried again, and how often at the program's end. */
const RETRY_PAUSE_MS = 50;
const LAST_TRIES = 10;

/**
 * Lines on their way to a file descriptor, in order. Whoever writes never waits and never fails: a terminal
 * that is stopped, a pipe that nobody reads or has closed, and a full disk cost lines, and nothing else.
 * (pino's own destination either stops the whole program meanwhile, or grows without bound, and on a full
 * disk never comes to an end.)
 */
export class LogSink {
  readonly #fd: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #isBusy = false;
  #busySince = 0;
  #lost = 0;
  #isHeld = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** How many lines were dropped since this was last asked, if lines can be written again. */
  takeLost(): number {
    if (this.#isBusy) return 0;
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** @param line - with its line end. */
  write(line: string): void {
    if (this.#waitingLength + line.length > MAX_WAITING_LENGTH) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (!this.#isBusy && !this.#isHeld) this.#writeNext();
  }

  /** Keeps lines for {@link close}: what is begun at the program's end may not come to its own. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Writes what waits before it returns, as far as that is possible; for the program's end. */
  close(): void {
    if (this.#isBusy && performance.now() - this.#busySince > STUCK_MS) return;
    let rest = this.#take(Number.POSITIVE_INFINITY).bytes;
    for (let tries = 0; rest.length > 0 && tries < LAST_TRIES; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (!isBusyPipe(error)) return;
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_PAUSE_MS);
      }
    }
  }

  #writeNext(): void {
    const { bytes, lines } = this.#take(MAX_CHUNK_LENGTH);
    this.#isBusy = lines > 0;
    this.#busySince = performance.now();
    if (this.#isBusy) this.#write(bytes, lines);
  }

  #write(bytes: Buffer, lines: number): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null && isBusyPipe(error)) {
        setTimeout(() => this.#write(bytes, lines), RETRY_PAUSE_MS);
      } else if (error === null && written < bytes.length) {
        this.#write(bytes.subarray(written), lines);
      } else {
        if (error !== null) this.#lost += lines;
        this.#writeNext();
      }
    });
  }

  /** Some of the lines that wait, one at least if there is one. */
  #take(maxLength: number): { bytes: Buffer; lines: number } {
    let length = 0;
    let lines = 0;
    for (const line of this.#waiting) {
      if (lines > 0 && length + line.length > maxLength) break;
      length += line.length;
      lines += 1;
    }
    this.#waitingLength -= length;
    return { bytes: Buffer.from(this.#waiting.splice(0, lines).join('')), lines };
  }
}

function isBusyPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}
