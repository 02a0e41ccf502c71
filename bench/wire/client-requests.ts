import type { Target } from './target.ts';

/** What a client process can be asked to do; each is answered with a {@link ClientAnswers} of its kind. */
export type ClientRequest =
  | ConnectRequest
  | BurstRequest
  | QueriesRequest
  | CopyOutRequest
  | CopyInRequest
  | { readonly kind: 'hold'; readonly target: Target; readonly sessions: number }
  | { readonly kind: 'release' }
  | { readonly kind: 'startBulk'; readonly target: Target; readonly sessions: number; readonly sql: string }
  | { readonly kind: 'stopBulk' };

/** One client: connect, `select 1`, close, pause. Gives the time from connect to the answer of each. */
interface ConnectRequest {
  readonly kind: 'connect';
  readonly target: Target;
  /** Not counted; also what lets a contender see that there is traffic. */
  readonly warmUp: number;
  readonly count: number;
  readonly pauseMs: number;
}

/** The same by many clients, all at one moment. */
interface BurstRequest {
  readonly kind: 'burst';
  readonly target: Target;
  readonly count: number;
  /** Wall-clock time in milliseconds since 1970, the same for all client processes. */
  readonly at: number;
}

/** One session: `select 1` after `select 1`. Gives the time of each. */
interface QueriesRequest {
  readonly kind: 'queries';
  readonly target: Target;
  readonly durationMs: number;
  readonly pauseMs: number;
}

interface CopyOutRequest {
  readonly kind: 'copyOut';
  readonly target: Target;
  readonly sql: string;
}

interface CopyInRequest {
  readonly kind: 'copyIn';
  readonly target: Target;
  readonly sql: string;
  readonly rowLength: number;
  /** Of payload, at least. */
  readonly bytes: number;
}

/** Bytes that crossed the wire, or (COPY in) the rows' own, and how long it took from the statement on. */
export interface Transfer {
  readonly bytes: number;
  readonly ms: number;
}

/** Durations are in milliseconds. */
export interface ClientAnswers {
  readonly connect: readonly number[];
  readonly burst: readonly number[];
  readonly queries: readonly number[];
  readonly copyOut: Transfer;
  readonly copyIn: Transfer;
  readonly hold: null;
  readonly release: null;
  readonly startBulk: null;
  /** Since it started. */
  readonly stopBulk: Transfer;
}
