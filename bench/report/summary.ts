import { METRICS, type Metric, type Sample } from './metrics.ts';
import { median } from './stats.ts';

/** One metric of one contender over all rounds, against those it is compared with. */
export interface Row {
  readonly workload: string;
  readonly case: string;
  readonly metric: Metric;
  readonly contender: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Of the medians: this one's by the other's. Without those that did not take part. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** @param references - whom everybody is compared with. */
export function summarize(samples: readonly Sample[], references: readonly string[]): Row[] {
  const groups = new Map<string, Omit<Row, 'median' | 'min' | 'max' | 'ratios'> & { values: number[] }>();
  for (const { workload, case: kind, contender, values } of samples) {
    for (const metric of Object.keys(METRICS) as Metric[]) {
      const value = values[metric];
      if (value === undefined || Number.isNaN(value)) continue;
      const key = JSON.stringify([workload, kind, metric, contender]);
      const group = groups.get(key) ?? { workload, case: kind, metric, contender, values: [] };
      group.values.push(value);
      groups.set(key, group);
    }
  }
  const rows = [...groups.values()].map(({ values, ...row }) => ({
    ...row,
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
  }));
  const find = (like: { workload: string; case: string; metric: Metric }, contender: string) =>
    rows.find(
      (row) =>
        row.workload === like.workload &&
        row.case === like.case &&
        row.metric === like.metric &&
        row.contender === contender,
    );
  return rows.map((row) => {
    const others = references.filter((name) => name !== row.contender);
    const ratios = others.flatMap((name) => {
      const reference = find(row, name);
      // CPU time comes in steps of 10 ms: a reference can be 0.
      return reference === undefined || reference.median === 0 ? [] : [[name, row.median / reference.median]];
    });
    return { ...row, ratios: Object.fromEntries(ratios) as Record<string, number> };
  });
}
