/** The first two of SIGINT and SIGTERM, in either order. */
export interface Signals {
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  /** Leaves signals to Node.js again. */
  close(): void;
}

export function watchSignals(): Signals {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  let seen = 0;
  const onSignal = (): void => {
    seen += 1;
    if (seen === 1) first.resolve();
    else second.resolve();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    first: first.promise,
    second: second.promise,
    close: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
}
