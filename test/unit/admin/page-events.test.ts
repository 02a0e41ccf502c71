import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { type EventsOptions, LiveEvents } from '../../../src/admin/events.ts';
import { ask, startTestAdmin } from '../../support/admin.ts';
import { openEvents } from '../../support/event-stream.ts';
import { createMemoryLog } from '../../support/log.ts';
import { until } from '../../support/wait.ts';

/** Only the events, told quickly. */
async function startEvents(options: EventsOptions = {}) {
  const told = { looks: 0, status: () => '"fine"', charts: '"flat"' };
  const log = createMemoryLog();
  const look = () => {
    told.looks += 1;
    return { status: told.status(), charts: told.charts };
  };
  const live = new LiveEvents(look, log.log, { intervalMs: 5, ...options });
  const server = createServer((_, response) => {
    response.on('error', () => {});
    const { status, body, goOn } = live.answer();
    response.statusCode = status;
    response.write(typeof body === 'string' ? body : JSON.stringify(body));
    if (goOn === undefined) response.end();
    else goOn(response);
  });
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  const { port } = server.address() as AddressInfo;
  return { told, log, port, connections, [Symbol.dispose]: stop };
}

test('who begins to look is told everything at once, then the status again and again', async () => {
  using bench = await startEvents();
  using viewer = await openEvents(bench.port);
  const events = await viewer.hear(4);
  assert.deepEqual(
    events.slice(0, 4).map(({ event }) => event),
    ['charts', 'status', 'status', 'status'],
  );
  assert.deepEqual(events[1]?.data, 'fine');
});

test('the charts are sent again when they have changed, before the status that goes with them', async () => {
  using bench = await startEvents();
  using viewer = await openEvents(bench.port);
  const { length } = await viewer.hear(4);
  bench.told.charts = '"steep"';
  const events = (await viewer.hear(length + 6)).slice(2);
  assert.deepEqual(
    events.filter(({ event }) => event === 'charts').map(({ data }) => data),
    ['steep'],
  );
});

test('for all who look it is looked once, and not at all when nobody does', async () => {
  using bench = await startEvents();
  const viewers = await Promise.all(Array.from({ length: 8 }, () => openEvents(bench.port)));
  await viewers[7]?.hear(10);
  const heard = viewers.reduce((sum, { events }) => sum + events.length, 0);
  assert.ok(bench.told.looks < heard / 3, `${bench.told.looks} looks for ${heard} events`);
  for (const viewer of viewers) viewer[Symbol.dispose]();
  let [before, since] = [-1, 0];
  await until('nobody to be looked for', () => {
    since = before === bench.told.looks ? since + 1 : 0;
    before = bench.told.looks;
    return since === 10;
  });
  using late = await openEvents(bench.port);
  await late.hear(5);
});

test('there is a cap of viewers, and a place is free again when one goes', async () => {
  using bench = await startEvents({ maxViewers: 2 });
  using first = await openEvents(bench.port);
  using second = await openEvents(bench.port);
  assert.deepEqual([first.response.statusCode, second.response.statusCode], [200, 200]);
  using refused = await openEvents(bench.port);
  assert.equal(refused.response.statusCode, 503);
  first[Symbol.dispose]();
  await until('a free place', async () => {
    using third = await openEvents(bench.port);
    return third.response.statusCode === 200;
  });
});

test('a viewer that does not read holds one message, and is dropped; the others go on', async () => {
  using bench = await startEvents();
  const large = JSON.stringify('x'.repeat(2_000_000));
  using reader = await openEvents(bench.port);
  using sleeper = await openEvents(bench.port);
  sleeper.response.pause();
  bench.told.status = () => large;
  await until('the sleeper to be dropped', () => bench.connections.size === 1);
  bench.told.status = () => '"fine"';
  await reader.hear(reader.events.length + 5);
  assert.equal(reader.isOver, false);
});

test('if looking fails, viewers are dropped to come again, the cause is logged, and all goes on', async () => {
  using bench = await startEvents();
  using viewer = await openEvents(bench.port);
  bench.told.status = () => {
    throw new Error('hunter2');
  };
  await until('the viewer to be dropped', () => viewer.isOver);
  await bench.log.find('admin-error', ({ error }) => error === 'hunter2');
  bench.told.status = () => '"fine again"';
  using other = await openEvents(bench.port);
  assert.equal((await other.hear(2))[1]?.data, 'fine again');
});

test('/events is a stream that nothing may keep, and a HEAD is no viewer', async () => {
  using bench = await startTestAdmin();
  const head = await ask(bench.port, '/events', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body], [200, '']);
  using viewer = await openEvents(bench.port);
  const { headers } = viewer.response;
  assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
  assert.equal(headers['access-control-allow-origin'], undefined);
});

test('/events tells the status, and ten minutes of logins to who has only just come', async () => {
  using bench = await startTestAdmin();
  const observer = bench.observations.observerOf('orders');
  observer.loggedIn(30, { token: 10, authentication: 20 });
  bench.observations.tokenListener('test')({
    kind: 'refreshed',
    token: { value: 'x', expiresAt: 1, claims: undefined },
  });
  using viewer = await openEvents(bench.port);
  const [charts, status] = (await viewer.hear(2)).map(({ data }) => data as Record<string, unknown>);
  assert.equal(status?.['ready'], true);
  const bucket = { ago: 0, count: 1, total: [30, 30], phases: { token: [10, 10], authentication: [20, 20] } };
  assert.deepEqual(charts?.['logins'], { orders: [bucket] });
  assert.deepEqual(Object.keys(charts?.['tokensSince'] as object), ['test']);
});

test("/events is not for other sites' pages, nor under another Host, and goes on while draining", async () => {
  using bench = await startTestAdmin();
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://evil.example' },
    { host: 'evil.example' },
  ]) {
    using viewer = await openEvents(bench.port, headers);
    assert.equal(viewer.response.statusCode, 403, JSON.stringify(headers));
  }
  bench.view.isDraining = true;
  using viewer = await openEvents(bench.port, { 'sec-fetch-site': 'same-origin' });
  const [, status] = (await viewer.hear(2)).map(({ data }) => data as Record<string, unknown>);
  assert.equal(status?.['draining'], true);
});

test('what fails inside is answered with 500, without the cause', async () => {
  using bench = await startTestAdmin();
  bench.view.servers = () => {
    throw new Error('hunter2');
  };
  const { status, body } = await ask(bench.port, '/events');
  assert.equal(status, 500);
  assert.doesNotMatch(body, /hunter2/);
});
