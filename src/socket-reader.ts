import type { Socket } from 'node:net';
import { type Peer, PeerClosedError } from './errors.ts';

/**
 * Reads exact numbers of bytes from a socket during a login, and leaves what it does not take in the
 * socket's own buffer, for whoever comes next (TLS, the relay).
 *
 * One 'readable' listener serves the reader's whole life: adding one for each read would wake up in a
 * busy loop on a socket that holds a part of what is awaited.
 */
export class SocketReader {
  readonly #socket: Socket;
  readonly #peer: Peer;
  #error: Error | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, peer: Peer) {
    this.#socket = socket;
    this.#peer = peer;
    socket.on('readable', this.#onReadable).on('error', this.#onError);
    socket.on('end', this.#onClose).on('close', this.#onClose);
  }

  /** Bytes that have arrived and were not asked for. */
  get buffered(): number {
    return this.#socket.readableLength;
  }

  /**
   * Waits for exactly `size` bytes. One call at a time.
   *
   * @throws {@link PeerClosedError} when the peer ends or resets first; the signal's reason when aborted.
   */
  async read(size: number, signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal.throwIfAborted();
      if (size === 0) return Buffer.alloc(0);
      // At the stream's end read() gives what is left, however short.
      const bytes = this.#socket.read(size) as Buffer | null;
      if (bytes !== null && bytes.length === size) return bytes;
      if (bytes !== null || this.#closed || this.#socket.destroyed) throw this.#closedError();
      await this.#nextEvent(signal);
    }
  }

  /** Puts bytes back, before those that have arrived since; not if the peer has said that it is through. */
  unread(bytes: Buffer): void {
    if (!this.#socket.readableEnded) this.#socket.unshift(bytes);
  }

  /** Stops listening. Unread bytes stay in the socket. */
  detach(): void {
    const socket = this.#socket;
    socket.off('readable', this.#onReadable).off('error', this.#onError);
    socket.off('end', this.#onClose).off('close', this.#onClose);
  }

  #closedError(): PeerClosedError {
    return new PeerClosedError(this.#peer, this.#error);
  }

  #nextEvent(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake);
    });
  }

  readonly #onReadable = (): void => {
    this.#wake?.();
  };

  readonly #onError = (error: Error): void => {
    this.#error = error;
    this.#closed = true;
    this.#wake?.();
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    this.#wake?.();
  };
}
