import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describeError, type Logger } from '../log.ts';

const run = promisify(execFile);

/** How long one message may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** How long a start may wait for what is only good to have, in milliseconds: systemd gives it 90 s by default. */
const PATIENCE_MS = 30_000;

/**
 * Tells systemd how the program is, where it wants to know (Type=notify): NOTIFY_SOCKET is a datagram socket,
 * which Node.js cannot write to, so systemd's own systemd-notify does it. That is another process than the
 * unit's main one, and needs NotifyAccess=all. Where it is missing, nothing is told, and all else works.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
export class ServiceManager {
  readonly #log: Logger;
  readonly #env: NodeJS.ProcessEnv;
  readonly #isThere: boolean;
  #watchdog: NodeJS.Timeout | undefined;
  /** Messages arrive in their order. */
  #last: Promise<void> = Promise.resolve();
  #isSending = false;
  #hasFailed = false;

  /** Takes the variables out of the environment: they are not for the program's children. */
  constructor(log: Logger, env: NodeJS.ProcessEnv = process.env) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid = String(process.pid) } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    this.#log = log;
    this.#env = { ...env, NOTIFY_SOCKET: socket };
    this.#isThere = socket !== undefined;
    const intervalMs = Number(usec) / 2_000;
    // Half of what it is given, so that one may be late.
    if (this.#isThere && pid === String(process.pid) && intervalMs >= 1)
      this.#watchdog = setInterval(() => this.#ping(), intervalMs).unref();
  }

  /**
   * Clients are welcome.
   *
   * @param tokens - settled when the first tokens have come, or have not. They are waited for, but not for
   *   ever: without Entra the program starts as well.
   */
  async ready(tokens: Promise<unknown>): Promise<void> {
    if (!this.#isThere) return;
    await Promise.race([tokens, delay(PATIENCE_MS, undefined, { ref: false })]);
    this.#send('READY=1');
  }

  /** The configuration is read again. */
  async reloading(done: Promise<void>): Promise<void> {
    // What Type=notify-reload wants to tell one reload from another by.
    const now = process.hrtime.bigint() / 1_000n;
    this.#send('RELOADING=1', `MONOTONIC_USEC=${now}`);
    await done;
    this.#send('READY=1');
  }

  stopping(): void {
    this.#send('STOPPING=1');
  }

  close(): void {
    clearInterval(this.#watchdog);
  }

  #ping(): void {
    if (!this.#isSending) this.#send('WATCHDOG=1');
  }

  #send(...message: readonly string[]): void {
    if (!this.#isThere) return;
    this.#last = this.#last.then(() => this.#sendNow(message));
  }

  async #sendNow(message: readonly string[]): Promise<void> {
    this.#isSending = true;
    try {
      await run('systemd-notify', message, { env: this.#env, timeout: TIMEOUT_MS });
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      const reason = describeError(error);
      const line = `cannot tell systemd ${message[0]}: ${reason}; this is told once`;
      this.#log.warn({ event: 'notify-failed', error: reason }, line);
    } finally {
      this.#isSending = false;
    }
  }
}
