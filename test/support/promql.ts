/** What /metrics gives: the labels of each metric, and the values of each label. */
export interface Series {
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Labels that Prometheus itself gives. */
const SCRAPE_LABELS: ReadonlySet<string> = new Set(['instance', 'job']);

const FUNCTIONS: ReadonlySet<string> = new Set([
  'rate',
  'increase',
  'changes',
  'min_over_time',
  'sum',
  'max',
  'count',
  'histogram_quantile',
  'time',
]);

/** Those that take a range, and nothing else. */
const OF_RANGES = /\b(?:rate|increase|changes|min_over_time)\s*\(([^()]*)\)/g;

const WORDS: ReadonlySet<string> = new Set(['and', 'or', 'unless', 'by', 'on', 'without', 'ignoring']);

export function readSeries(text: string): Series {
  const metrics = new Map<string, Set<string>>([['up', new Set()]]);
  const labels = new Map<string, Set<string>>();
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const { name = '', pairs = '' } = /^(?<name>[\w:]+)(?:\{(?<pairs>.*)\})? /.exec(line)?.groups ?? {};
    const own = metrics.get(name) ?? new Set<string>();
    metrics.set(name, own);
    for (const [, label = '', value = ''] of pairs.matchAll(/(\w+)="([^"]*)"/g)) {
      own.add(label);
      labels.set(label, (labels.get(label) ?? new Set()).add(value));
    }
  }
  return { metrics, labels };
}

/** What is wrong with a PromQL expression: as far as its words go, and its brackets. */
export function expressionProblems(expr: string, series: Series): string[] {
  if ((expr.match(/"/g)?.length ?? 0) % 2 !== 0) return ['a quote is left open'];
  const problems = bracketProblems(expr);
  for (const [, inner = ''] of expr.matchAll(OF_RANGES))
    if (!/\[[\w$]+\]$/.test(inner.trim())) problems.push(`${inner} is no range`);
  for (const [, name = '', matchers = ''] of expr.matchAll(/([a-z_]\w*)\s*\{([^}]*)\}/g))
    problems.push(...matcherProblems(name, matchers, series));
  const groupings = /\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g;
  for (const [, list = ''] of expr.matchAll(groupings)) {
    const unknown = list.split(',').map((name) => name.trim());
    problems.push(...unknown.filter((name) => !isLabel(name, series)).map((name) => `no label ${name}`));
  }
  const rest = expr.replaceAll(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]/g, ' ').replaceAll(groupings, ' ');
  for (const [, name = '', bracket] of rest.matchAll(/([a-z_]\w*)\s*(\()?/gi)) {
    if (WORDS.has(name) || (bracket !== undefined && FUNCTIONS.has(name))) continue;
    if (bracket !== undefined || !series.metrics.has(name)) problems.push(`no metric or function ${name}`);
  }
  return problems;
}

/** The same for `label_values(metric, label)` of Grafana. */
export function labelQueryProblems(query: string, series: Series): string[] {
  const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
  const own = series.metrics.get(metric);
  if (own === undefined) return [`no metric in ${query}`];
  return own.has(label) || SCRAPE_LABELS.has(label) ? [] : [`no label in ${query}`];
}

function isLabel(name: string, { labels }: Series): boolean {
  return labels.has(name) || SCRAPE_LABELS.has(name);
}

function matcherProblems(metric: string, matchers: string, { metrics, labels }: Series): string[] {
  return [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].flatMap(
    ([, label = '', text = '']) => {
      if (SCRAPE_LABELS.has(label)) return [];
      if (metrics.get(metric)?.has(label) !== true) return [`${metric} has no label ${label}`];
      const values = text.startsWith('$') ? [] : text.split('|');
      return values
        .filter((value) => labels.get(label)?.has(value) !== true)
        .map((value) => `${label} is never ${value}`);
    },
  );
}

function bracketProblems(expr: string): string[] {
  const open: string[] = [];
  for (const [bracket] of expr.replaceAll(/"[^"]*"/g, '').matchAll(/[()[\]{}]/g)) {
    if ('([{'.includes(bracket)) open.push(bracket);
    else if (!['()', '[]', '{}'].includes(`${open.pop() ?? ''}${bracket}`)) return ['brackets do not match'];
  }
  return open.length === 0 ? [] : ['brackets do not match'];
}
