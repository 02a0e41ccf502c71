import type { Contender, RunningContender, Upstream } from '../contenders/contender.ts';
import type { Values } from '../report/metrics.ts';
import type { Stage } from '../stage.ts';

/** What a workload has to work with. */
export interface Bench {
  readonly stage: Stage;
  readonly contenders: readonly Contender[];
  readonly quick: boolean;
  readonly rounds: number;
  readonly maxSessions: number;
  readonly ports: { readonly delay?: number; readonly light?: number };
  /** The program's own build. */
  readonly entry: string;
  /** Tells the person who waits. */
  say(line: string): void;
  record(
    identity: { workload: string; case: string; contender: string; round: number },
    outcome: Outcome | { readonly failure: string },
  ): void;
}

export interface Outcome {
  readonly values: Values;
  readonly raw?: readonly number[];
}

export type Measure = (contender: RunningContender) => Promise<Outcome>;

/**
 * Measures one case of a workload: in each round every contender once, in an order that moves on, so
 * that none always comes after the same other. What fails for one contender is recorded, and the rest goes on.
 */
export async function measureInRounds(
  bench: Bench,
  about: { readonly workload: string; readonly case: string },
  running: readonly RunningContender[],
  measure: Measure,
): Promise<void> {
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`${about.workload}: ${about.case}, round ${round} of ${bench.rounds}`);
    for (let turn = 0; turn < running.length; turn += 1) {
      const contender = running[(turn + round - 1) % running.length];
      if (contender === undefined) continue;
      const identity = { ...about, contender: contender.name, round };
      bench.record(identity, await attempt(() => measure(contender)));
    }
  }
}

/** Runs one measurement; a failure becomes its outcome. */
export async function attempt<Result>(
  work: () => Promise<Result>,
): Promise<Result | { readonly failure: string }> {
  try {
    return await work();
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

/** All contenders, running at once before the same upstream. */
export interface Field extends AsyncDisposable {
  readonly running: readonly RunningContender[];
}

/** Starts all contenders that can have this upstream; who cannot start is told and left out. */
export async function startAll(bench: Bench, upstream: Upstream, workload: string): Promise<Field> {
  await using stack = new AsyncDisposableStack();
  const running: RunningContender[] = [];
  for (const contender of bench.contenders) {
    const started = await attempt(() => contender.start(upstream, bench.stage));
    if (started === undefined) continue;
    if ('failure' in started) {
      bench.record({ workload, case: 'start', contender: contender.name, round: 1 }, started);
      continue;
    }
    running.push(stack.use(started));
  }
  const owned = stack.move();
  return { running, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
