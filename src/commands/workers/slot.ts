import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '../../errors.ts';
import { describeError, explainError, type Logger } from '../../log.ts';
import type { Setup } from './calls.ts';
import type { Accepted } from './sharing.ts';
import type { ProcessEnd, WorkerProcess } from './worker-process.ts';

/** A worker that dies sooner than this after its start has not got over what made its predecessor die. */
const SHORT_LIFE_MS = 10_000;

/** So many short lives one after the other, and there is no hope. */
const MAX_SHORT_LIVES = 5;

/** Before a worker takes the place of one that had a short life: doubled each time. */
const FIRST_PAUSE_MS = 100;

/** How long a worker may take to start, or to take over another configuration. */
const CONFIGURE_MS = 30_000;

export interface SlotOptions {
  /** From 1. */
  readonly number: number;
  readonly log: Logger;
  readonly spawn: () => WorkerProcess;
  /** What a worker needs to know at this moment. */
  readonly setup: () => Setup;
  /** Gets the connections that had not reached a worker that died. */
  readonly onLeft: (connections: readonly Accepted[]) => void;
  /** Workers die as soon as they are there. */
  readonly onHopeless: () => void;
}

/** The place of one worker: whenever it dies, another takes it. */
export class Slot {
  readonly #options: SlotOptions;
  readonly #ending = new AbortController();
  readonly #started = Promise.withResolvers<void>();
  #worker: WorkerProcess | undefined;
  #done: Promise<void> | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** The process that runs, ready or not; undefined between two. */
  get worker(): WorkerProcess | undefined {
    return this.#worker;
  }

  /**
   * @returns when the first worker is ready.
   * @throws StartError if none can be had.
   */
  start(): Promise<void> {
    this.#done = this.#keep();
    return this.#started.promise;
  }

  /** Has the worker know of a configuration. A failure is told in the log: it goes on with the old one. */
  async configure(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    try {
      await configure(worker, this.#options.setup());
    } catch (error) {
      const { number, log } = this.#options;
      const text = describeError(error);
      const line = `worker ${number} goes on with the old configuration: ${text}`;
      log.error({ event: 'reload-failed', worker: number, error: text }, line);
    }
  }

  /** From now on a worker that ends is not replaced. */
  expectEnd(): void {
    this.#ending.abort();
  }

  /** @returns when there is no process any more. */
  async ended(): Promise<void> {
    await this.#done;
  }

  async #keep(): Promise<void> {
    const { number, log } = this.#options;
    const { signal } = this.#ending;
    for (let shortLives = 0; !signal.aborted; ) {
      const start = performance.now();
      const end = await this.#live();
      if (signal.aborted && end.code === 0) return;
      shortLives = performance.now() - start < SHORT_LIFE_MS ? shortLives + 1 : 0;
      const isHopeless = shortLives >= MAX_SHORT_LIVES;
      const what = describeEnd(end);
      const next = signal.aborted
        ? ''
        : isHopeless
          ? `, for the ${shortLives}th time`
          : '; another takes its place';
      const fields = { event: 'worker-died', worker: number, pid: end.pid, sessions: end.sessions };
      log.error(
        { ...fields, code: end.code, signal: end.signal },
        `worker ${number} ${what}: ${end.sessions} sessions lost${next}`,
      );
      if (isHopeless) return this.#giveUp();
      const pauseMs = shortLives === 0 ? 0 : FIRST_PAUSE_MS * 2 ** (shortLives - 1);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** The life of one worker. */
  async #live(): Promise<ProcessEnd & { readonly pid: number | undefined; readonly sessions: number }> {
    const { setup, spawn, onLeft } = this.#options;
    const worker = spawn();
    this.#worker = worker;
    void this.#begin(worker, setup());
    const end = await worker.closed;
    this.#worker = undefined;
    const sessions = worker.sessionCount;
    onLeft(worker.writeOff());
    return { ...end, pid: worker.pid, sessions };
  }

  /** Never rejects: one that cannot start is ended. */
  async #begin(worker: WorkerProcess, setup: Setup): Promise<void> {
    const { number, log } = this.#options;
    try {
      await configure(worker, setup);
      worker.isReady = true;
      const fields = { event: 'worker-ready', worker: number, pid: worker.pid };
      log.debug(fields, `worker ${number} is ready (pid ${worker.pid})`);
      this.#started.resolve();
    } catch (error) {
      worker.kill();
      if (this.#ending.signal.aborted) return;
      const line = `worker ${number} cannot start: ${explainError(error)}`;
      log.error({ event: 'worker-failed', worker: number, error: describeError(error) }, line);
    }
  }

  #giveUp(): void {
    const { number, onHopeless } = this.#options;
    this.#started.reject(new StartError(`worker ${number} dies as soon as it starts; see above`));
    // Once it is known that none comes, nobody may wait for the first any more.
    this.#started.promise.catch(() => {});
    onHopeless();
  }
}

function configure(worker: WorkerProcess, setup: Setup): Promise<void> {
  return worker.channel.ask('configure', setup, AbortSignal.timeout(CONFIGURE_MS));
}

function describeEnd({ code, signal }: ProcessEnd): string {
  if (signal !== null) return `was ended by ${signal}`;
  return code === null ? 'could not be started' : `ended with status ${code}`;
}
