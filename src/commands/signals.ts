import { isatty } from 'node:tty';

/** What the program is told from outside. */
export interface Signals {
  /** The first two of SIGINT and SIGTERM, in either order. */
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  /** Leaves signals to Node.js again. */
  close(): void;
}

const STDIN = 0;

/**
 * Listens for signals.
 *
 * @param onReload - called at SIGHUP; which means stop, though, where it tells that the terminal has gone
 *   that the program was started in.
 */
export function watchSignals(onReload: () => void): Signals {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const hadTerminal = isatty(STDIN);
  let seen = 0;
  const onSignal = (): void => {
    seen += 1;
    if (seen === 1) first.resolve();
    else second.resolve();
  };
  const onHangup = (): void => {
    const terminalIsGone = hadTerminal && !isatty(STDIN);
    if (terminalIsGone) onSignal();
    else onReload();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
  return {
    first: first.promise,
    second: second.promise,
    close: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup),
  };
}
