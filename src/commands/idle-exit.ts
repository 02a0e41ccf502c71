/**
 * Tells when no session has been open for a while, but not before there was one: what it is waited for may
 * be slow to start. A client that has never said what it wants, as a probe of a port does, is none.
 */
export class IdleExit {
  readonly #idleMs: () => number;
  readonly #onIdle: () => void;
  #sessions = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param idleMs - how long; 0: never. Asked whenever the last session has ended. */
  constructor(idleMs: () => number, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
  }

  /** A session has begun, or ended. */
  readonly change = (change: 1 | -1): void => {
    this.#sessions += change;
    clearTimeout(this.#timer);
    const idleMs = this.#idleMs();
    if (this.#sessions === 0 && idleMs > 0) this.#timer = setTimeout(this.#onIdle, idleMs);
  };

  close(): void {
    clearTimeout(this.#timer);
  }
}
