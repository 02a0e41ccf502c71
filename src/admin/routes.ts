import type { ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import { LiveEvents } from './events.ts';
import { type Reason, readinessReasons, startupReasons } from './health.ts';
import type { Observations } from './observations.ts';
import { pageRoutes } from './page.ts';
import { describeStatus } from './status.ts';
import type { AdminView } from './view.ts';

/** What is sent back; a string goes as it is, anything else as JSON. */
export interface Answer {
  readonly status: number;
  readonly type?: string;
  /** In the place of, or besides, those that all answers have. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | object;
  /** With it the body is only the beginning: whoever this is ends the response. */
  readonly goOn?: (response: ServerResponse) => void;
}

/** What one path does. GET means HEAD too. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** Also what changes nothing is not for other sites' pages: it costs something. */
  readonly isSameSite?: boolean;
  answer(): Answer | Promise<Answer>;
}

/** All there is, by path. */
export function createRoutes(
  view: AdminView,
  observations: Observations,
  allowQuit: boolean,
  log: Logger,
): ReadonlyMap<string, Route> {
  const get = (answer: Route['answer']): Route => ({ method: 'GET', answer });
  const { metrics, lastErrors } = observations;
  const events = new LiveEvents(() => {
    // For the next time: what a viewer is shown of other processes is one interval old.
    void view.look?.();
    const status = describeStatus(view, lastErrors, Date.now());
    return { status: JSON.stringify(status), charts: JSON.stringify(observations.charts()) };
  }, log);
  const post = (answer: Route['answer']): Route => ({ method: 'POST', answer });
  return new Map([
    ...pageRoutes(),
    [
      '/events',
      {
        ...get(async () => {
          await view.look?.();
          return events.answer();
        }),
        isSameSite: true,
      },
    ],
    ['/startup', get(() => probe('started', startupReasons(view)))],
    ['/readiness', get(() => probe('ready', readinessReasons(view, Date.now())))],
    // Whoever can answer is alive.
    ['/liveness', get(() => probe('alive', []))],
    [
      '/status',
      get(async () => {
        await view.look?.();
        return { status: 200, body: describeStatus(view, lastErrors, Date.now()) };
      }),
    ],
    [
      '/metrics',
      get(async () => {
        await view.look?.();
        const body = await metrics.render(view, Date.now());
        return { status: 200, type: metrics.contentType, body };
      }),
    ],
    ['/drain', post(() => accepted('draining', () => view.drain()))],
    ['/quit', post(() => (allowQuit ? accepted('stopping', () => view.quit()) : refuseQuit()))],
  ]);
}

function probe(wanted: string, reasons: readonly Reason[]): Answer {
  if (reasons.length === 0) return { status: 200, body: { status: wanted } };
  return { status: 503, body: { status: `not ${wanted}`, reasons } };
}

function accepted(status: string, act: () => void): Answer {
  act();
  return { status: 202, body: { status } };
}

function refuseQuit(): Answer {
  return { status: 403, body: { error: 'whoever starts the program must allow this, with --admin-quit' } };
}
