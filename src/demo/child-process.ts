import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** The end of a long output is what tells why a program stopped. */
const MAX_OUTPUT_LENGTH = 16 * 1024;

/** SIGKILL works at once; only descendants that keep the output open can take longer. */
const KILL_TIMEOUT_MS = 5_000;

/** How a child process ended. */
export interface ChildExit {
  readonly code: number | null;
  /** In words: `exit status 1`, `SIGKILL`, or why it could not be started. */
  readonly reason: string;
}

/** A child process that does not outlive this one. */
export interface SupervisedChild {
  /** Resolves, and never rejects, when it has ended and no descendant holds its output open. */
  readonly closed: Promise<ChildExit>;
  /** The end of what it wrote on stdout and stderr so far. */
  output(): string;
  /** Sends a signal; does nothing when the process is gone. */
  kill(signal: NodeJS.Signals): void;
  /** Sends a signal, SIGKILL after `graceMs`, and waits for the end. */
  end(signal: NodeJS.Signals, graceMs: number): Promise<void>;
}

/**
 * Watches a child process; to be called in the tick in which it was spawned.
 *
 * @param lastSignal - what it gets when this process exits while the child still runs.
 */
export function superviseChild(child: ChildProcess, lastSignal: NodeJS.Signals = 'SIGKILL'): SupervisedChild {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-MAX_OUTPUT_LENGTH);
    });
  }
  const kill = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const onExit = (): void => kill(lastSignal);
  // Prepended: what was started last ends first, and a process ends before its files are removed.
  process.prependListener('exit', onExit);
  const closed = new Promise<ChildExit>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, reason: signal ?? `exit status ${code}` }));
    child.on('error', (error) => {
      // Without a process no 'close' is sure to follow; with one, this is only a signal that failed.
      if (child.pid === undefined) resolve({ code: null, reason: error.message });
    });
  }).finally(() => process.off('exit', onExit));

  async function end(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    kill(signal);
    if (await settlesWithin(closed, graceMs)) return;
    kill('SIGKILL');
    await settlesWithin(closed, KILL_TIMEOUT_MS);
  }

  return { closed, output: () => tail.trim(), kill, end };
}

async function settlesWithin(closed: Promise<ChildExit>, timeoutMs: number): Promise<boolean> {
  return Promise.race([closed.then(() => true), delay(timeoutMs, false, { ref: false })]);
}
