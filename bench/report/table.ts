import { METRICS } from './metrics.ts';
import type { Row } from './summary.ts';

/**
 * The one table: a line for each contender, under a headline for each metric of each workload.
 *
 * @param references - whose ratios stand in columns of their own.
 */
export function formatTable(
  rows: readonly Row[],
  references: readonly string[],
  form: 'text' | 'markdown',
): string {
  const head = [
    'workload',
    'metric',
    'contender',
    'median',
    'min - max',
    ...references.map((name) => `/ ${name}`),
  ];
  const sorted = groupRows(rows);
  const cells = sorted.map((row, index) => {
    const previous = sorted[index - 1];
    const isFirst = previous === undefined || keyOf(previous) !== keyOf(row);
    const { title, digits } = METRICS[row.metric];
    return [
      isFirst ? `${row.workload}: ${row.case}` : '',
      isFirst ? title : '',
      row.contender,
      row.median.toFixed(digits),
      `${row.min.toFixed(digits)} - ${row.max.toFixed(digits)}`,
      ...references.map((name) => row.ratios[name]?.toFixed(2) ?? ''),
    ];
  });
  return form === 'markdown' ? asMarkdown(head, cells) : asText(head, cells);
}

function keyOf({ workload, case: kind, metric }: Row): string {
  return JSON.stringify([workload, kind, metric]);
}

/** All contenders of one metric stand together, in the order in which things were first measured. */
function groupRows(rows: readonly Row[]): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  const cases = new Map<string, Row[]>();
  for (const group of groups.values()) {
    const [first] = group;
    const key = JSON.stringify([first?.workload, first?.case]);
    cases.set(key, [...(cases.get(key) ?? []), ...group]);
  }
  return [...cases.values()].flat();
}

function asMarkdown(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;
  const rule = head.map((_name, column) => (column < LEFT_COLUMNS ? '---' : '---:'));
  return [head, rule, ...cells].map(line).join('\n');
}

/** The other columns hold numbers. */
const LEFT_COLUMNS = 3;

function asText(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = head.map((_name, column) =>
    Math.max(...[head, ...cells].map((texts) => texts[column]?.length ?? 0)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, column) =>
        column < LEFT_COLUMNS ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [head, ...cells].map(line).join('\n');
}
