import type { ServerResponse } from 'node:http';
import { describeError, type Logger } from '../log.ts';
import type { Answer } from './routes.ts';

/** How often something is told at most, in milliseconds. */
const INTERVAL_MS = 1_000;

/** Telling takes at most this share of the time: with very many sessions it is done less often. */
const MAX_SHARE = 0.05;

/** One each for the tabs of a few people; more are no help to anybody. */
const MAX_VIEWERS = 16;

/** How often a viewer may still be at what it was sent before, until it is given up. */
const MAX_MISSED = 10;

/** What viewers are told at one moment, as JSON on one line. */
export interface Moment {
  readonly status: string;
  /** Sent only when it has changed. */
  readonly charts: string;
}

interface Viewer {
  readonly response: ServerResponse;
  charts: string;
  missed: number;
}

export interface EventsOptions {
  readonly intervalMs?: number;
  readonly maxViewers?: number;
}

/**
 * Tells those who look at the page what happens, as server-sent events: one timer for all of them, and only
 * while there are any. What a viewer has not taken yet is not added to, so one that does not read holds no
 * more than one message, and not for long.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class LiveEvents {
  readonly #look: () => Moment;
  readonly #log: Logger;
  readonly #intervalMs: number;
  readonly #maxViewers: number;
  readonly #viewers = new Set<Viewer>();
  #timer: NodeJS.Timeout | undefined;

  constructor(look: () => Moment, log: Logger, options: EventsOptions = {}) {
    this.#look = look;
    this.#log = log;
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS;
    this.#maxViewers = options.maxViewers ?? MAX_VIEWERS;
  }

  /** @throws whatever looking throws. */
  answer(): Answer {
    if (this.#viewers.size >= this.#maxViewers)
      return { status: 503, body: { error: `${this.#maxViewers} others look already; close one of them` } };
    const moment = this.#look();
    return {
      status: 200,
      type: 'text/event-stream; charset=utf-8',
      body: `retry: ${this.#intervalMs}\n\n${message('charts', moment.charts)}${message('status', moment.status)}`,
      goOn: (response) => this.#add({ response, charts: moment.charts, missed: 0 }),
    };
  }

  #add(viewer: Viewer): void {
    if (viewer.response.destroyed) return;
    this.#viewers.add(viewer);
    viewer.response.once('close', () => this.#remove(viewer));
    this.#timer ??= this.#schedule(this.#intervalMs);
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#tick(), delayMs).unref();
  }

  #tick(): void {
    const start = performance.now();
    try {
      const moment = this.#look();
      for (const viewer of this.#viewers) tell(viewer, moment);
    } catch (error) {
      const text = describeError(error);
      this.#log.error({ event: 'admin-error', error: text }, `admin listener: ${text}`);
      // They come again, and learn then whether it works.
      for (const { response } of this.#viewers) response.destroy();
    }
    if (this.#viewers.size === 0) return;
    const tookMs = performance.now() - start;
    this.#timer = this.#schedule(Math.max(this.#intervalMs, tookMs / MAX_SHARE));
  }
}

function tell(viewer: Viewer, { status, charts }: Moment): void {
  const { response } = viewer;
  if (response.writableLength > 0) {
    viewer.missed += 1;
    if (viewer.missed >= MAX_MISSED) response.destroy();
    return;
  }
  viewer.missed = 0;
  const news = charts === viewer.charts ? '' : message('charts', charts);
  viewer.charts = charts;
  response.write(`${news}${message('status', status)}`);
}

/** @param data - without a line break. */
function message(event: 'status' | 'charts', data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}
