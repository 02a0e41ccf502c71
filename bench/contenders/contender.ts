import type { Stage } from '../stage.ts';
import type { Target } from '../wire/target.ts';

/** What stands behind a contender: the server itself, the delaying relay, or the light server. */
export interface Upstream {
  readonly kind: 'server' | 'delayed' | 'light';
  readonly port: number;
}

/** A way from a client to the server. */
export interface Contender {
  readonly name: string;
  /** Direct TLS, builds of this proxy, or somebody else's program. */
  readonly kind: 'direct' | 'proxy' | 'peer';
  /** @returns undefined if it cannot have this upstream. */
  start(upstream: Upstream, stage: Stage): Promise<RunningContender | undefined>;
}

export interface RunningContender extends AsyncDisposable {
  readonly name: string;
  readonly target: Target;
  /** The process whose CPU time and memory count; undefined: there is none, or it is not to be seen. */
  readonly pid: number | undefined;
  /** Until it listened; undefined: it was not started here. */
  readonly startMs: number | undefined;
}
