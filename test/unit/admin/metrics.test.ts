import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from '../../../src/admin/metrics.ts';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import { createAccessToken } from '../../../src/identity/token-source.ts';
import type { SessionOutcome, SessionView } from '../../../src/proxy/observer.ts';
import { HOST, identityView, samplesOf, serverView, TestView } from '../../support/admin.ts';
import { createTestToken } from '../../support/tokens.ts';

const now = Date.now();

async function sample(metrics: Metrics, view: TestView): Promise<(series: string) => number | undefined> {
  const samples = samplesOf(await metrics.render(view, now));
  return (series) => samples.get(`pg_entra_proxy_${series}`);
}

function ended(outcome: Partial<SessionOutcome>): SessionOutcome {
  return {
    result: 'completed',
    sqlState: undefined,
    error: undefined,
    bytesFromClient: 0,
    bytesFromServer: 0,
    ...outcome,
  };
}

function live(bytesFromClient: number, bytesFromServer: number): SessionView {
  return {
    id: 1,
    client: '127.0.0.1:1',
    applicationName: 'app',
    clientUser: 'user',
    database: 'db',
    role: 'role',
    ageMs: 1,
    activity: 'idle',
    bytesFromClient,
    bytesFromServer,
  };
}

test('what is, is looked at when it is asked for; several listeners of one server count together', async () => {
  const metrics = new Metrics();
  const view = new TestView();
  view.serverViews = [
    serverView({
      sessionCount: 3,
      connectionCount: 5,
      loginsUnderWay: 2,
      loginsWaiting: 1,
      warmConnections: 3,
    }),
    serverView({ sessionCount: 1, connectionCount: 1 }),
    serverView({ sessionCount: 4, connectionCount: 4, isRemoved: true }),
    serverView({ host: 'other', maxSessions: 7 }),
  ];
  const of = await sample(metrics, view);
  assert.equal(of(`sessions_active{server="${HOST}"}`), 8);
  assert.equal(of(`connections_open{server="${HOST}"}`), 10);
  assert.equal(of(`sessions_limit{server="${HOST}"}`), 20);
  assert.equal(of(`logins_in_progress{server="${HOST}"}`), 2);
  assert.equal(of(`logins_waiting{server="${HOST}"}`), 1);
  assert.equal(of(`warm_connections{server="${HOST}"}`), 3);
  assert.equal(of('sessions_limit{server="other"}'), 7);
  assert.equal(of('draining'), 0);
  assert.equal(of(`build_info{version="1.2.3",node_version="${process.version}"}`), 1);
  view.serverViews = [];
  view.isDraining = true;
  const later = await sample(metrics, view);
  assert.equal(later(`sessions_active{server="${HOST}"}`), undefined);
  assert.equal(later('draining'), 1);
});

test('bytes are those of sessions that are over and of those that run, and never go back', async () => {
  const metrics = new Metrics();
  const view = new TestView();
  const observer = metrics.observerOf(HOST);
  const relayed = async (): Promise<unknown[]> => {
    const of = await sample(metrics, view);
    return ['client_to_server', 'server_to_client'].map((direction) =>
      of(`relayed_bytes_total{server="${HOST}",direction="${direction}"}`),
    );
  };
  assert.deepEqual(await relayed(), [0, 0]);
  view.serverViews = [serverView({ sessions: () => [live(10, 200), live(1, 2)] })];
  assert.deepEqual(await relayed(), [11, 202]);
  assert.deepEqual(await relayed(), [11, 202]);
  observer.ended(ended({ bytesFromClient: 10, bytesFromServer: 250 }));
  view.serverViews = [serverView({ sessions: () => [live(1, 2)] })];
  assert.deepEqual(await relayed(), [11, 252]);
  // A configuration that was read again asks for the same observer.
  metrics.observerOf(HOST).ended(ended({ bytesFromClient: 1, bytesFromServer: 2 }));
  view.serverViews = [];
  assert.deepEqual(await relayed(), [11, 252]);
});

test('logins are measured as a whole and in parts, in seconds', async () => {
  const metrics = new Metrics();
  const observer = metrics.observerOf(HOST);
  observer.loggedIn(40, { token: 0.5, dial: 3, tls: 20, authentication: 12 });
  observer.loggedIn(300, { token: 0.5, queue: 200, dial: 3, tls: 20, authentication: 12 });
  metrics.observerOf(HOST);
  const of = await sample(metrics, new TestView());
  const login = `login_duration_seconds`;
  assert.equal(of(`${login}_count{server="${HOST}"}`), 2);
  assert.equal(of(`${login}_sum{server="${HOST}"}`)?.toFixed(6), '0.340000');
  assert.equal(of(`${login}_bucket{le="0.05",server="${HOST}"}`), 1);
  assert.equal(of(`login_phase_duration_seconds_count{server="${HOST}",phase="tls"}`), 2);
  assert.equal(of(`login_phase_duration_seconds_count{server="${HOST}",phase="queue"}`), 1);
  assert.equal(of(`login_phase_duration_seconds_sum{server="${HOST}",phase="tls"}`), 0.04);
});

test('dials and drains are counted, from nought', async () => {
  const metrics = new Metrics();
  const view = new TestView();
  const observer = metrics.observerOf(HOST);
  const counts = async (): Promise<unknown[]> => {
    const of = await sample(metrics, view);
    const dials = `upstream_dials_total{server="${HOST}",result=`;
    return [of(`${dials}"ok"}`), of(`${dials}"failed"}`), of(`drains_total{server="${HOST}"}`)];
  };
  assert.deepEqual(await counts(), [0, 0, 0]);
  observer.dialled('ok');
  observer.dialled('ok');
  observer.dialled('failed');
  observer.draining();
  assert.deepEqual(await counts(), [2, 1, 1]);
});

test('tokens: whether one can be used, until when, and how fetches went', async () => {
  const metrics = new Metrics();
  const view = new TestView();
  const listen = metrics.tokenListener('test');
  const token = createAccessToken(createTestToken(), 'the test', { now });
  view.identityViews = [
    identityView({ tokenExpiresAt: now + 1_000 }),
    identityView({ name: 'over', tokenExpiresAt: now }),
    identityView({ name: 'none', tokenExpiresAt: undefined }),
  ];
  listen({ kind: 'refreshed', token });
  listen({ kind: 'failed', error: new ProxyError(SqlState.cannotConnectNow, 'no'), validUntil: undefined });
  listen({ kind: 'failed', error: new Error('no'), validUntil: now });
  const of = await sample(metrics, view);
  assert.deepEqual(
    ['test', 'over', 'none'].map((name) => of(`token_usable{identity="${name}"}`)),
    [1, 0, 0],
  );
  assert.deepEqual(
    ['test', 'over', 'none'].map((name) => of(`token_expiry_timestamp_seconds{identity="${name}"}`)),
    [(now + 1_000) / 1_000, now / 1_000, undefined],
  );
  assert.equal(of('token_refreshes_total{identity="test",result="ok"}'), 1);
  assert.equal(of('token_refreshes_total{identity="test",result="failed"}'), 2);
  // An identity that the configuration no longer names has no token any more.
  view.identityViews = [];
  const later = await sample(metrics, view);
  for (const metric of ['token_usable', 'token_expiry_timestamp_seconds'])
    assert.equal(later(`${metric}{identity="test"}`), undefined);
});

test('however many clients and codes there are, there is a bounded number of series', async () => {
  const metrics = new Metrics();
  const view = new TestView();
  const observer = metrics.observerOf(HOST);
  for (let index = 0; index < 20_000; index += 1) {
    const sqlState = index.toString(36).toUpperCase().padStart(5, '0').split('').toReversed().join('');
    observer.ended(
      ended({ result: 'rejected', sqlState, error: { message: `user ${index}`, hint: `${index}` } }),
    );
    observer.loggedIn(index, { dial: index });
  }
  const text = await metrics.render(view, now);
  const ours = [...samplesOf(text).keys()].filter((series) =>
    series.startsWith('pg_entra_proxy_sessions_total'),
  );
  assert.ok(ours.length <= 60, `${ours.length} series`);
  assert.ok(samplesOf(text).size < 300);
});

test('two programs in one process do not share their metrics', async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.observerOf('one').dialled('ok');
  assert.doesNotMatch(await other.render(new TestView(), now), /"one"/);
});
