import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import type { Fleet } from './fleet.ts';
import type { CutCount } from './session-counts.ts';

/** How long sessions that are ended at once may take to hear of it, in milliseconds. */
const LAST_WORDS_MS = 1_000;

type LifeSettings = Pick<Settings, 'drain-delay' | 'drain-timeout'>;

/** The end of all sessions: it begins once, whoever asks for it first, and the program may outlive it. */
export class Ending {
  readonly #fleet: Fleet;
  readonly #cuts: CutCount;
  readonly #settings: () => LifeSettings;
  readonly #log: Logger;
  readonly #patience = new AbortController();
  #drained: Promise<void> | undefined;
  /** By a reload that took their server away, say. */
  #cutBefore = 0;

  /** @param settings - asked for when it begins. */
  constructor(fleet: Fleet, cuts: CutCount, settings: () => LifeSettings, log: Logger) {
    this.#fleet = fleet;
    this.#cuts = cuts;
    this.#settings = settings;
    this.#log = log;
  }

  /** Whether it has begun: clients should go elsewhere, even while they are still let in. */
  get hasBegun(): boolean {
    return this.#drained !== undefined;
  }

  /**
   * Goes on accepting for the delay, then ends each session between transactions, and after the timeout
   * whatever is left.
   */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#patience.abort();
    this.#fleet.stop();
    await Promise.race([this.#fleet.drain(0), delay(LAST_WORDS_MS, undefined, { ref: false })]);
  }

  /** The last word: how many sessions were cut since it began. */
  tell(): number {
    const cut = this.#cuts.count - this.#cutBefore;
    this.#log.info(
      { event: 'stopped', cut },
      cut === 0 ? 'stopped, no session cut' : `stopped, ${cut} sessions cut`,
    );
    return cut;
  }

  async #drain(): Promise<void> {
    const { 'drain-delay': delayMs, 'drain-timeout': timeoutMs } = this.#settings();
    this.#cutBefore = this.#cuts.count;
    const count = this.#fleet.connectionCount;
    const accepting = delayMs === 0 ? '' : `; accepting for another ${delayMs / 1000} s`;
    const patience = `up to ${timeoutMs / 1000} s; a second signal ends them at once`;
    const waiting = count === 0 ? '' : `: waiting for ${count} sessions, ${patience}`;
    this.#log.info({ event: 'stopping', sessions: count }, `stopping${waiting}${accepting}`);
    const { signal } = this.#patience;
    if (delayMs > 0) await delay(delayMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) await this.#fleet.drain(timeoutMs);
  }
}
