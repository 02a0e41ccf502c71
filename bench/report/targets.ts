import { METRICS, type Metric } from './metrics.ts';
import type { Row } from './summary.ts';

/** What the proxy is meant to reach, of one metric in one case: as a ratio, or as a value. */
interface Target {
  readonly workload: string;
  /** The case begins with it. */
  readonly case: string;
  readonly metric: Metric;
  /** Whose ratio; undefined: the value itself. */
  readonly to?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** Default: `proxy`. */
  readonly contender?: string;
}

const DIRECT = 'direct TLS';
const STUNNEL = 'stunnel';

const TARGETS: readonly Target[] = [
  { workload: 'connecting', case: 'one client, 1 ms', metric: 'p50Ms', to: DIRECT, atMost: 0.5 },
  { workload: 'connecting', case: 'one client, 1 ms', metric: 'p50Ms', to: STUNNEL, atMost: 0.6 },
  { workload: 'connecting', case: 'one client, 0 ms', metric: 'p50Ms', to: DIRECT, atMost: 0.7 },
  { workload: 'connecting', case: '200 at once', metric: 'p99Ms', to: DIRECT, atMost: 1 },
  { workload: 'round trips', case: '8 clients', metric: 'tps', to: STUNNEL, atLeast: 1 },
  { workload: 'round trips', case: '8 clients', metric: 'cpuUs', to: STUNNEL, atMost: 1 },
  { workload: 'round trips', case: '64 clients', metric: 'tps', to: STUNNEL, atLeast: 1 },
  { workload: 'round trips', case: '64 clients', metric: 'cpuUs', to: STUNNEL, atMost: 1 },
  { workload: 'streaming', case: '', metric: 'mbPerSecond', to: STUNNEL, atLeast: 1 },
  { workload: 'streaming', case: '', metric: 'cpuPerGb', to: STUNNEL, atMost: 1.2 },
  { workload: 'memory', case: '1000 idle sessions', metric: 'kbPerSession', atMost: 60 },
  { workload: 'memory', case: '1000 idle sessions', metric: 'leftMb', atMost: 30 },
  { workload: 'mixed', case: '', metric: 'bulkFactor', atMost: 3 },
  { workload: 'start', case: '', metric: 'listeningMs', atMost: 300 },
  { workload: 'start', case: '', metric: 'rssMb', atMost: 80 },
  { workload: 'start', case: '', metric: 'rssMb', atMost: 80, contender: 'proxy, Entra' },
];

/** A line for each target that this run can judge. */
export function judgeTargets(rows: readonly Row[]): string[] {
  return TARGETS.flatMap((target) =>
    rows
      .filter(
        (row) =>
          row.contender === (target.contender ?? 'proxy') &&
          row.workload === target.workload &&
          row.case.startsWith(target.case) &&
          row.metric === target.metric,
      )
      .flatMap((row) => judge(target, row)),
  );
}

function judge({ to, atMost, atLeast }: Target, row: Row): string[] {
  const value = to === undefined ? row.median : row.ratios[to];
  if (value === undefined) return [];
  const isMet =
    value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? Number.NEGATIVE_INFINITY);
  const bound = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
  const what = to === undefined ? bound : `${bound} of ${to}`;
  const { title } = METRICS[row.metric];
  return [
    `${isMet ? 'met' : 'NOT met'}: ${row.workload}, ${row.case}, ${row.contender}: ${title} ${what}: ${value.toFixed(2)}`,
  ];
}
