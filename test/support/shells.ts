import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { until } from './wait.ts';

/** Gives a program a terminal; of util-linux. */
const SCRIPT = '/usr/bin/script';

/** Why there can be no terminal here; false if there can. */
export const NO_TERMINAL: string | false =
  process.platform === 'linux' && existsSync(SCRIPT) ? false : 'no script of util-linux here';

/** A program in a terminal that a test types into. */
export class Terminal implements AsyncDisposable {
  /** All that the terminal has shown. */
  shown = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** @param command - a line for `sh`. */
  constructor(command: string, env: Readonly<Record<string, string>>) {
    const child = spawn(SCRIPT, ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'] ?? '', TERM: 'dumb', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
    });
    this.#child = child;
    this.#ended = once(child, 'close');
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits for something to be shown, once more than before. */
  async shows(pattern: RegExp, times = 1): Promise<string> {
    const find = (): string[] => this.shown.match(new RegExp(pattern, 'gm')) ?? [];
    await until(`${String(pattern)} in the terminal`, () => find().length >= times).catch(
      (error: unknown) => {
        throw new Error(`the terminal shows:\n${this.shown}`, { cause: error });
      },
    );
    return find()[times - 1] ?? '';
  }

  /** Waits for the program's end. */
  async end(): Promise<string> {
    await this.#ended;
    return this.shown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
