import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Metrics } from '../../../src/admin/metrics.ts';
import { createAccessToken } from '../../../src/identity/token-source.ts';
import { LOGIN_PHASES, type SessionOutcome } from '../../../src/proxy/observer.ts';
import { HOST, TestView } from '../../support/admin.ts';
import { expressionProblems, labelQueryProblems, readSeries } from '../../support/promql.ts';
import { createTestToken } from '../../support/tokens.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const folder = new URL('../../../deploy/observability/', import.meta.url);
const rules = (
  parse(readFileSync(new URL('prometheus-rules.yaml', folder), 'utf8')) as {
    groups: readonly { name: string; rules: readonly Rule[] }[];
  }
).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(new URL('grafana-dashboard.json', folder), 'utf8')) as Dashboard;

/** What /metrics gives once each thing has happened that can. */
async function allSeries(): Promise<ReturnType<typeof readSeries>> {
  const metrics = new Metrics();
  metrics.watchProcess();
  metrics.watchProcess();
  const observer = metrics.observerOf(HOST);
  const results: readonly SessionOutcome['result'][] = [
    'completed',
    'server_lost',
    'cut',
    'refused',
    'rejected',
  ];
  for (const result of results)
    observer.ended({ result, sqlState: undefined, error: undefined, bytesFromClient: 1, bytesFromServer: 1 });
  observer.loggedIn(1, Object.fromEntries(LOGIN_PHASES.map((phase) => [phase, 1])));
  const token = createAccessToken(createTestToken(), 'the test', { now: Date.now() });
  metrics.tokenListener('test')({ kind: 'refreshed', token });
  return readSeries(await metrics.render(new TestView(), Date.now()));
}

const series = await allSeries();

test('every alert is made of metrics, labels and values that there are', () => {
  assert.ok(rules.length >= 10);
  for (const { alert, expr } of rules) assert.deepEqual(expressionProblems(expr, series), [], alert);
});

test('every alert says how grave it is, what happened, and what to do, with labels that it has', () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations, ...rule } of rules) {
    assert.match(alert, /^PgEntraProxy[A-Z]\w+$/);
    assert.match(labels['severity'] ?? '', /^(?:critical|warning)$/, alert);
    assert.ok(annotations['summary'] && annotations['description'], alert);
    assert.match(rule.for ?? '1m', /^\d+[smh]$/, alert);
    const known = new Set(['instance', 'job', 'server', 'identity']);
    const named = [
      ...Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, name = '']) => name);
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
      alert,
    );
  }
});

test('every panel of the dashboard is made of metrics, labels and values that there are', () => {
  const targets = dashboard.panels.flatMap(({ title, targets: own = [] }) =>
    own.map((one) => ({ title, ...one })),
  );
  assert.ok(targets.length >= 20);
  const expressions = [
    ...targets,
    ...dashboard.annotations.list.map(({ expr }) => ({ title: 'drains', expr })),
  ];
  for (const { title, expr } of expressions) assert.deepEqual(expressionProblems(expr, series), [], title);
  for (const { title, legendFormat } of targets) {
    const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name);
    assert.ok(
      named.every((name) => series.labels.has(name) || name === 'instance'),
      title,
    );
  }
});

test('the variables of the dashboard are those that its panels use, and ask for labels that there are', () => {
  const { list } = dashboard.templating;
  for (const { definition } of list)
    if (definition !== undefined) assert.deepEqual(labelQueryProblems(definition, series), []);
  const used = [...JSON.stringify(dashboard).matchAll(/\$(?:\{(\w+)\}|([a-z]\w*))/g)].map(
    ([, one, other]) => one ?? other,
  );
  const own = new Set(list.map(({ name }) => name));
  assert.deepEqual(new Set(used), own);
});

test('the panels of the dashboard have numbers of their own and do not overlap', () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    assert.ok(x + w <= 24);
    return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`);
  });
  assert.equal(new Set(cells).size, cells.length);
});

test('what is not there is found', () => {
  const wrong = {
    'pg_entra_proxy_no_such_metric > 0': /no_such_metric/,
    'pg_entra_proxy_sessions_active{database="x"}': /database/,
    'pg_entra_proxy_sessions_total{result=~"refused|denied"}': /denied/,
    'sum by (client) (pg_entra_proxy_sessions_active)': /client/,
    'nosuchfunction(pg_entra_proxy_sessions_active)': /nosuchfunction/,
    'rate(pg_entra_proxy_sessions_total[5m)': /brackets/,
    'rate(pg_entra_proxy_sessions_total)': /range/,
    'pg_entra_proxy_sessions_total{result="cut"} > "': /quote/,
  };
  for (const [expr, problem] of Object.entries(wrong))
    assert.match(expressionProblems(expr, series).join('; '), problem, expr);
});
