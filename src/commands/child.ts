import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** What shells say of a command that cannot be run, and of one that is not there. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Added to the number of a signal that ended a command. */
const SIGNAL_BASE = 128;

/** Signals that ask a command to end; one that comes before it has begun, keeps it from beginning. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

const SIGNALS = [...ENDING, 'SIGUSR1', 'SIGUSR2'] as const;

/** Those that a key sends: a terminal gives them to all processes in its foreground itself. */
const KEYS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/** A signal has come before the command was started. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly status: number;

  constructor(signal: NodeJS.Signals) {
    super(signal);
    this.status = statusOf(signal);
  }
}

/** Runs a command with everything that this process has, its terminal too, and hands signals on to it. */
export class Child {
  readonly #interrupted = Promise.withResolvers<never>();
  #interruption: Interruption | undefined;
  #process: ChildProcess | undefined;

  constructor() {
    this.#interrupted.promise.catch(() => {});
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /**
   * Waits for something that the command needs.
   *
   * @throws {@link Interruption} when a signal comes first.
   */
  after<T>(wait: Promise<T>): Promise<T> {
    return Promise.race([wait, this.#interrupted.promise]);
  }

  /**
   * @returns the exit status as a shell would have it; with why it could not be started, if so.
   * @throws {@link Interruption} if a signal has come before.
   */
  async run(
    argv: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<{ readonly status: number; readonly failure?: NodeJS.ErrnoException }> {
    if (this.#interruption !== undefined) throw this.#interruption;
    const [file = '', ...args] = argv;
    const child = spawn(file, args, { stdio: 'inherit', env });
    this.#process = child;
    // Should this process fail, the command would be left without its database.
    const onExit = (): void => void child.kill('SIGTERM');
    process.once('exit', onExit);
    return new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        process.off('exit', onExit);
        resolve({ status: code ?? statusOf(signal) });
      });
      child.on('error', (failure: NodeJS.ErrnoException) => {
        // With a process, this is only a signal that failed.
        if (child.pid !== undefined) return;
        process.off('exit', onExit);
        resolve({ status: failure.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE, failure });
      });
    });
  }

  /** Leaves signals to Node.js again. */
  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#process !== undefined) {
      if (!KEYS.includes(signal) || !isInForeground()) this.#process.kill(signal);
    } else if ((ENDING as readonly NodeJS.Signals[]).includes(signal)) {
      this.#interruption ??= new Interruption(signal);
      this.#interrupted.reject(this.#interruption);
    }
  };
}

function statusOf(signal: NodeJS.Signals | null): number {
  return SIGNAL_BASE + (signal === null ? 0 : constants.signals[signal]);
}

/** Whether keys that this process gets as signals have reached the command too. */
function isInForeground(): boolean {
  if (process.platform !== 'linux') return process.stdin.isTTY || process.stderr.isTTY;
  try {
    // Behind the name, which is in brackets and may hold some itself: state, parent, process group, session,
    // terminal, and the process group in the terminal's foreground. See proc_pid_stat(5).
    const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    const [, , group, , , foreground] = fields;
    return group === foreground;
  } catch {
    return process.stdin.isTTY;
  }
}
