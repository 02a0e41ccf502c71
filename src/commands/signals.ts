import { isatty } from 'node:tty';

const STDIN = 0;

/** How the program is asked to end: politely, however often, and then at once. */
export class StopRequests {
  readonly #first = Promise.withResolvers<void>();
  readonly #second = Promise.withResolvers<void>();
  #signals = 0;

  /** Somebody wants the program to drain and to end. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  /** Somebody insists: the second signal. */
  get second(): Promise<void> {
    return this.#second.promise;
  }

  /** By other means than a signal. */
  ask(): void {
    this.#first.resolve();
  }

  signal(): void {
    this.#signals += 1;
    if (this.#signals === 1) this.#first.resolve();
    else this.#second.resolve();
  }
}

/**
 * Listens for signals: SIGINT and SIGTERM in either order.
 *
 * @param onReload - called at SIGHUP; which means stop, though, where it tells that the terminal has gone
 *   that the program was started in. On Windows that is all it ever tells, and 10 s are left then.
 * @returns leaves signals to Node.js again.
 */
export function watchSignals(requests: StopRequests, onReload: () => void): () => void {
  const hadTerminal = isatty(STDIN);
  const onSignal = (): void => requests.signal();
  const onHangup = (): void => {
    const terminalIsGone = process.platform === 'win32' || (hadTerminal && !isatty(STDIN));
    if (terminalIsGone) onSignal();
    else onReload();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
  return () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup);
}
