/** What is measured, and how it is shown. */
export const METRICS = {
  tps: { title: 'transactions/s', digits: 0 },
  p50Ms: { title: 'p50 ms', digits: 3 },
  p99Ms: { title: 'p99 ms', digits: 3 },
  cpuUs: { title: 'CPU us/transaction', digits: 1 },
  mbPerSecond: { title: 'MB/s', digits: 0 },
  cpuPerGb: { title: 'CPU s/GB', digits: 2 },
  cpuMs: { title: 'CPU ms/connection', digits: 2 },
  kbPerSession: { title: 'RSS KB/session', digits: 1 },
  leftMb: { title: 'RSS MB left when gone', digits: 1 },
  aloneP99Ms: { title: 'p99 ms alone', digits: 3 },
  bulkP99Ms: { title: 'p99 ms beside bulk', digits: 3 },
  bulkFactor: { title: 'p99 beside bulk / alone', digits: 1 },
  listeningMs: { title: 'ms to listening', digits: 0 },
  rssMb: { title: 'RSS MB idle', digits: 1 },
} as const;

export type Metric = keyof typeof METRICS;
export type Values = Readonly<Partial<Record<Metric, number>>>;

/** One contender, measured once. */
export interface Sample {
  readonly workload: string;
  /** Which kind of it: `8 clients`, `COPY out, 100-byte rows`. */
  readonly case: string;
  readonly contender: string;
  /** From 1. */
  readonly round: number;
  readonly values: Values;
  /** Single latencies in milliseconds, where they are few. */
  readonly raw?: readonly number[];
  /** Why there are no values. */
  readonly failure?: string;
}
