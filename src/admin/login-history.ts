import { LOGIN_PHASES, type LoginPhase } from '../proxy/observer.ts';
import { Durations } from './durations.ts';

/** The interval that one point of a chart is about. */
export const BUCKET_MS = 5_000;

/** Ten minutes, with the interval under way. */
export const BUCKET_COUNT = 120;

/** The median, and what 95 of 100 took at most, in milliseconds. */
type Percentiles = readonly [p50: number, p95: number];

/** The logins of one interval. */
export interface LoginBucket {
  /** How many intervals ago; 0 is under way. */
  readonly ago: number;
  readonly count: number;
  /** All of it, and each part that there was. */
  readonly total: Percentiles;
  readonly phases: Readonly<Partial<Record<LoginPhase, Percentiles>>>;
}

interface Summary extends Omit<LoginBucket, 'ago'> {
  /** Of the interval. */
  readonly number: number;
}

/** The logins of one server in the last ten minutes: as much memory with a million of them as with one in each interval. */
export class LoginHistory {
  readonly #now: () => number;
  /** A ring: each interval takes the place of the one that is too old by then. */
  readonly #summaries: (Summary | undefined)[] = Array.from({ length: BUCKET_COUNT });
  #current: Gathering | undefined;

  /** @param now - a clock that never goes back, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  note(totalMs: number, phases: Readonly<Partial<Record<LoginPhase, number>>>): void {
    const number = this.#number();
    if (this.#current?.number !== number) {
      this.#close();
      this.#current = new Gathering(number);
    }
    this.#current.note(totalMs, phases);
  }

  /** Those intervals in which there were logins, the latest first. */
  buckets(): LoginBucket[] {
    const now = this.#number();
    const buckets: LoginBucket[] = [];
    for (let ago = 0; ago < BUCKET_COUNT; ago += 1) {
      const summary = this.#at(now - ago);
      if (summary === undefined) continue;
      const { count, total, phases } = summary;
      buckets.push({ ago, count, total, phases });
    }
    return buckets;
  }

  #number(): number {
    return Math.floor(this.#now() / BUCKET_MS);
  }

  #at(number: number): Summary | undefined {
    if (this.#current?.number === number) return this.#current.summarize();
    const summary = this.#summaries[number % BUCKET_COUNT];
    return summary?.number === number ? summary : undefined;
  }

  /** Of what was under way the numbers are enough. */
  #close(): void {
    if (this.#current === undefined) return;
    this.#summaries[this.#current.number % BUCKET_COUNT] = this.#current.summarize();
  }
}

/** One interval, as long as logins may come to it. */
class Gathering {
  readonly number: number;
  readonly #total = new Durations();
  readonly #phases = new Map<LoginPhase, Durations>();
  #count = 0;

  constructor(number: number) {
    this.number = number;
  }

  note(totalMs: number, phases: Readonly<Partial<Record<LoginPhase, number>>>): void {
    this.#count += 1;
    this.#total.note(totalMs);
    for (const phase of LOGIN_PHASES) {
      const ms = phases[phase];
      if (ms === undefined) continue;
      const durations = this.#phases.get(phase) ?? new Durations();
      this.#phases.set(phase, durations);
      durations.note(ms);
    }
  }

  summarize(): Summary {
    const phases = [...this.#phases].map(([phase, durations]) => [phase, percentiles(durations)]);
    return {
      number: this.number,
      count: this.#count,
      total: percentiles(this.#total),
      phases: Object.fromEntries(phases) as LoginBucket['phases'],
    };
  }
}

function percentiles(durations: Durations): Percentiles {
  return [round(durations.percentile(0.5)), round(durations.percentile(0.95))];
}

/** To a hundredth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
