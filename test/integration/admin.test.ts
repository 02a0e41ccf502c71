import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { ask } from '../support/admin.ts';
import { assertKept } from '../support/canary.ts';
import { startFleet, type TestFleet } from '../support/fleet.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { closedPort } from '../support/scripted-server.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

const server = await startTestServer();
after(() => server.postgres.stop());

const labels = `server="${SERVER_NAME}"`;

interface Status {
  readonly ready: boolean;
  readonly servers: readonly {
    readonly sessions: { readonly active: number; readonly list: readonly Record<string, unknown>[] };
    readonly logins: readonly Record<string, unknown>[];
    readonly listeners: readonly string[];
    readonly draining: boolean;
    readonly lastErrors: readonly Record<string, unknown>[];
  }[];
  readonly identities: readonly Record<string, unknown>[];
}

async function statusOf({ admin }: TestFleet): Promise<Status> {
  return (await ask(admin.port, '/status')).json as unknown as Status;
}

async function sessionsOf(fleet: TestFleet): Promise<readonly Record<string, unknown>[]> {
  return (await statusOf(fleet)).servers[0]?.sessions.list ?? [];
}

async function readiness({ admin }: TestFleet): Promise<[status: number, codes: unknown]> {
  const { status, json } = await ask(admin.port, '/readiness');
  return [status, (json['reasons'] as { code: string }[] | undefined)?.map(({ code }) => code)];
}

/** Waits for the first token, and the role that it says. */
async function ready(fleet: TestFleet): Promise<void> {
  await until('the first token', async () => (await ask(fleet.admin.port, '/startup')).status === 200);
}

function startUp({ port }: TestFleet, parameters: Record<string, string> = {}): WireClient {
  const client = new WireClient(connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
  client.startUp(parameters);
  return client;
}

test('logins, refusals and bytes are counted exactly', async () => {
  await using fleet = await startFleet(server, { warm: '0' });
  await ready(fleet);
  for (let count = 0; count < 3; count += 1) {
    await using connection = await connectPg(fleet.port);
    await connection.client.query('select 1');
    assert.equal(await fleet.metric(`sessions_active{${labels}}`), 1);
  }
  for (const database of ['missing-1', 'missing-2'])
    await assert.rejects(connectPg(fleet.port, { database }), { code: '3D000' });
  await fleet.idle();
  const counts = {
    [`sessions_active{${labels}}`]: 0,
    [`sessions_total{${labels},result="completed",sqlstate="none"}`]: 3,
    [`login_duration_seconds_count{${labels}}`]: 5,
    [`upstream_dials_total{${labels},result="ok"}`]: 5,
    [`upstream_dials_total{${labels},result="failed"}`]: 0,
    [`login_phase_duration_seconds_count{${labels},phase="token"}`]: 5,
    [`login_phase_duration_seconds_count{${labels},phase="dial"}`]: 5,
    [`login_phase_duration_seconds_count{${labels},phase="tls"}`]: 5,
    [`login_phase_duration_seconds_count{${labels},phase="authentication"}`]: 5,
    // PostgreSQL says that there is no such database after AuthenticationOk.
    [`sessions_total{${labels},result="server_ended",sqlstate="none"}`]: 2,
    'token_refreshes_total{identity="token-file",result="ok"}': 1,
    'token_usable{identity="token-file"}': 1,
  };
  assert.match((await ask(fleet.admin.port, '/metrics')).body, /^nodejs_eventloop_lag_p99_seconds \S+$/m);
  for (const [series, count] of Object.entries(counts))
    assert.equal(await fleet.metric(series), count, series);
  const ends = fleet.log.lines.filter(({ event }) => event === 'session');
  const sum = (field: string): number => ends.reduce((total, line) => total + Number(line[field]), 0);
  const relayed = `relayed_bytes_total{${labels},direction=`;
  assert.equal(await fleet.metric(`${relayed}"client_to_server"}`), sum('bytesFromClient'));
  assert.equal(await fleet.metric(`${relayed}"server_to_client"}`), sum('bytesFromServer'));
  assert.ok(sum('bytesFromServer') > 1_000);
});

test('a login over a warm connection has no dial of its own; what is kept warm is counted', async () => {
  await using fleet = await startFleet(server);
  await ready(fleet);
  const warm = (): Promise<number | undefined> => fleet.metric(`warm_connections{${labels}}`);
  assert.equal(await warm(), 0);
  for (let count = 0; count < 2; count += 1) {
    await using connection = await connectPg(fleet.port);
    await connection.client.query('select 1');
    await until('a warm connection', async () => (await warm()) === 1);
  }
  assert.equal(await fleet.metric(`login_duration_seconds_count{${labels}}`), 2);
  assert.equal(await fleet.metric(`login_phase_duration_seconds_count{${labels},phase="dial"}`), 1);
  assert.equal(await fleet.metric(`login_phase_duration_seconds_count{${labels},phase="tls"}`), 1);
  assert.equal(await fleet.metric(`upstream_dials_total{${labels},result="ok"}`), 3);
});

test('what the server rejects and what the proxy refuses is told with its SQLSTATE, in metrics and status', async () => {
  const rejecting = { ...server, token: `${server.token.slice(0, -20)}${'x'.repeat(20)}` };
  await using fleet = await startFleet(rejecting, { 'refuse-replication': 'true' });
  await ready(fleet);
  assert.equal((await refusedLogin(fleet.port)).code, '28P01');
  const replicating = startUp(fleet, { replication: 'true' });
  assert.equal((await replicating.waitError()).sqlState, '28000');
  await fleet.idle();
  assert.equal(await fleet.metric(`sessions_total{${labels},result="rejected",sqlstate="28P01"}`), 1);
  assert.equal(await fleet.metric(`sessions_total{${labels},result="refused",sqlstate="28000"}`), 1);
  assert.equal(await fleet.metric(`login_duration_seconds_count{${labels}}`), 0);
  const [status] = (await statusOf(fleet)).servers;
  assert.deepEqual(
    status?.lastErrors.map(({ result, sqlState, count }) => [result, sqlState, count]).toSorted(),
    [
      ['refused', '28000', 1],
      ['rejected', '28P01', 1],
    ],
  );
  assert.ok(status?.lastErrors.every(({ hint }) => typeof hint === 'string'));
});

test('a server that cannot be dialled is counted, and no reason to be taken out of service', async () => {
  const port = await closedPort();
  await using fleet = await startFleet(server, { 'upstream-port': String(port), 'connect-timeout': '50ms' });
  await ready(fleet);
  assert.equal((await refusedLogin(fleet.port)).code, '08001');
  await fleet.idle();
  assert.equal(await fleet.metric(`upstream_dials_total{${labels},result="ok"}`), 0);
  assert.ok(Number(await fleet.metric(`upstream_dials_total{${labels},result="failed"}`)) >= 1);
  assert.equal(await fleet.metric(`sessions_total{${labels},result="refused",sqlstate="08001"}`), 1);
  assert.deepEqual(await readiness(fleet), [200, undefined]);
});

test('/status shows who is connected as whom, and what each is busy with', async () => {
  await using fleet = await startFleet(server);
  await ready(fleet);
  const application = '"><script>alert(1)</script>\u001b[31m\n{"x":1}';
  const client = startUp(fleet, { user: 'someone', application_name: application });
  await client.wait('Z');
  const activity = async (): Promise<unknown> => (await sessionsOf(fleet))[0]?.['activity'];
  assert.equal(await activity(), 'idle');
  const silent = connect({ host: '127.0.0.1', port: fleet.port });
  await until('the second connection', async () => (await fleet.metric(`connections_open{${labels}}`)) === 2);
  assert.equal((await sessionsOf(fleet)).length, 1);
  silent.destroy();
  const [session] = await sessionsOf(fleet);
  assert.equal(session?.['applicationName'], '"><script>alert(1)</script>?[31m?{"x":1}');
  assert.deepEqual(
    [session?.['clientUser'], session?.['database'], session?.['role']],
    ['someone', 'app', TEST_ROLE],
  );
  assert.match(String(session?.['client']), /^127\.0\.0\.1:\d+$/);
  assert.ok(Number(session?.['bytesFromServer']) > 0 && Number(session?.['ageMs']) >= 0);
  client.query('begin');
  await client.wait('Z', 2);
  assert.equal(await activity(), 'idle in transaction');
  client.query('nonsense');
  await client.wait('Z', 3);
  assert.equal(await activity(), 'idle in transaction (aborted)');
  client.query('rollback');
  await client.wait('Z', 4);
  client.query('select pg_sleep(60)');
  await until('the session to be active', async () => (await activity()) === 'active');
  client.socket.resetAndDestroy();
  await fleet.idle();
  assert.deepEqual(await sessionsOf(fleet), []);
});

test('/status shows a login under way, the listeners, the role and the token, but never the token itself', async () => {
  await using fleet = await startFleet(server);
  await ready(fleet);
  await Promise.all(fleet.fleet.instances.map((instance) => instance.announce()));
  const { servers, identities, ready: isReady } = await statusOf(fleet);
  assert.equal(isReady, true);
  assert.deepEqual(servers[0]?.logins, [{ clientUser: null, role: TEST_ROLE, identity: 'token-file' }]);
  assert.deepEqual(servers[0]?.listeners, [`127.0.0.1:${fleet.port}`]);
  const [identity] = identities;
  assert.deepEqual(
    [identity?.['credential'], identity?.['token'], identity?.['lastError']],
    ['token-file', 'usable', null],
  );
  const [expiresAt, refreshAt] = ['tokenExpiresAt', 'nextRefreshAt'].map((name) =>
    Date.parse(String(identity?.[name])),
  );
  assert.ok(Number(refreshAt) > Date.now() && Number(expiresAt) > Number(refreshAt));
  const texts = await Promise.all(
    ['/status', '/metrics', '/readiness'].map((path) => ask(fleet.admin.port, path)),
  );
  for (const { body } of texts) assertKept(server.token, body, 'an answer of the admin listener');
});

test('without a first token it has not started, and says why', async () => {
  await using fleet = await startFleet(server, { 'token-file': '/nowhere/token' });
  await fleet.log.find('token-failed');
  const { status, body } = await ask(fleet.admin.port, '/startup');
  assert.equal(status, 503);
  assert.match(body, /"no-first-token".*no token yet: 28000 /);
  assert.deepEqual(await readiness(fleet), [503, ['no-first-token']]);
  assert.equal((await ask(fleet.admin.port, '/liveness')).status, 200);
  const [identity] = (await statusOf(fleet)).identities;
  assert.deepEqual([identity?.['token'], identity?.['tokenExpiresAt']], ['none yet', null]);
  assert.notEqual(identity?.['lastError'], null);
  assert.equal(await fleet.metric('token_usable{identity="token-file"}'), 0);
  assert.ok(Number(await fleet.metric('token_refreshes_total{identity="token-file",result="failed"}')) >= 1);
});

test('at the cap it is not ready, and is again when a session has ended', async () => {
  await using fleet = await startFleet(server, { 'max-sessions': '1' });
  await ready(fleet);
  const client = startUp(fleet);
  await client.wait('Z');
  assert.deepEqual(await readiness(fleet), [503, ['session-cap']]);
  assert.equal((await refusedLogin(fleet.port)).code, '53300');
  assert.equal(await fleet.metric(`sessions_limit{${labels}}`), 1);
  client.socket.destroy();
  await fleet.idle();
  assert.deepEqual(await readiness(fleet), [200, undefined]);
  assert.equal(await fleet.metric(`sessions_total{${labels},result="refused",sqlstate="53300"}`), 1);
});

test('POST /drain: not ready, idle sessions go, and everything still answers', async () => {
  await using fleet = await startFleet(server);
  await ready(fleet);
  const busy = startUp(fleet);
  await busy.wait('Z');
  busy.query('begin');
  await busy.wait('Z', 2);
  const idle = startUp(fleet);
  await idle.wait('Z');
  assert.equal((await ask(fleet.admin.port, '/drain', { method: 'POST' })).status, 202);
  assert.equal((await idle.waitError()).sqlState, '57P01');
  await until('the idle session to go', async () => (await fleet.metric(`sessions_active{${labels}}`)) === 1);
  assert.deepEqual(await readiness(fleet), [503, ['draining']]);
  const others = await Promise.all(
    ['/startup', '/liveness', '/status'].map((path) => ask(fleet.admin.port, path)),
  );
  assert.deepEqual(
    others.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal(await fleet.metric('draining'), 1);
  assert.equal((await statusOf(fleet)).servers[0]?.draining, true);
  assert.equal((await ask(fleet.admin.port, '/drain', { method: 'POST' })).status, 202);
  assert.equal(await fleet.metric(`drains_total{${labels}}`), 1);
  busy.query('commit');
  await fleet.idle();
  assert.equal(await fleet.metric(`sessions_total{${labels},result="drained",sqlstate="57P01"}`), 2);
});

test('hundreds of made-up users, databases and applications add no series', async () => {
  await using fleet = await startFleet(server, { 'allow-databases': 'nothing-that-exists' });
  await ready(fleet);
  const probe = startUp(fleet, { database: 'canary-0' });
  await probe.waitEnd();
  await fleet.idle();
  const countSeries = async (): Promise<number> =>
    (await ask(fleet.admin.port, '/metrics')).body.match(/^pg_entra_proxy_/gm)?.length ?? 0;
  const before = await countSeries();
  const crowd = Array.from({ length: 300 }, (_, index) =>
    startUp(fleet, {
      user: `canary-u${index}`,
      database: `canary-d${index}`,
      application_name: `canary-a${index}`,
    }),
  );
  await Promise.all(crowd.map((client) => client.waitEnd()));
  await fleet.idle();
  assert.equal(await countSeries(), before);
  assert.doesNotMatch((await ask(fleet.admin.port, '/metrics')).body, /canary/);
  assert.equal(await fleet.metric(`sessions_total{${labels},result="refused",sqlstate="28000"}`), 301);
});
