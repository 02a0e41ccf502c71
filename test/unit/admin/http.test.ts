import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { StartError } from '../../../src/errors.ts';
import { ask, identityView, serverView, startTestAdmin, type TestView } from '../../support/admin.ts';

const GETS = ['/startup', '/readiness', '/liveness', '/status', '/metrics'];
const POSTS = ['/drain', '/quit'];

const STATES: readonly {
  name: string;
  enter: (view: TestView) => void;
  startup: number;
  readiness: number;
}[] = [
  { name: 'with a token', enter: () => {}, startup: 200, readiness: 200 },
  {
    name: 'before it listens',
    enter: (view) => void (view.isListening = false),
    startup: 503,
    readiness: 503,
  },
  {
    name: 'without a token yet',
    enter: (view) => void (view.identityViews = [identityView({ tokenExpiresAt: undefined })]),
    startup: 503,
    readiness: 503,
  },
  {
    name: 'with a token that has expired',
    enter: (view) => void (view.identityViews = [identityView({ tokenExpiresAt: 1 })]),
    startup: 200,
    readiness: 503,
  },
  { name: 'while draining', enter: (view) => void (view.isDraining = true), startup: 200, readiness: 503 },
  {
    name: 'at the cap',
    enter: (view) => void (view.serverViews = [serverView({ sessionCount: 10 })]),
    startup: 200,
    readiness: 503,
  },
];

for (const { name, enter, startup, readiness } of STATES) {
  test(`${name}: /startup ${startup}, /readiness ${readiness}, and all else answers`, async () => {
    using bench = await startTestAdmin();
    enter(bench.view);
    const answers = await Promise.all(GETS.map((path) => ask(bench.port, path)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [startup, readiness, 200, 200, 200],
    );
    const [, ready] = answers;
    const reasons = ready?.json['reasons'] as { code: string; message: string }[] | undefined;
    assert.equal(reasons === undefined, readiness === 200);
    assert.ok(reasons?.every(({ code, message }) => code !== '' && message !== '') ?? true);
  });
}

test('a HEAD is a GET without the body', async () => {
  using bench = await startTestAdmin();
  for (const path of GETS) {
    const head = await ask(bench.port, path, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.ok(Number(head.headers['content-length']) > 0);
  }
});

test('what a path is not for is refused with 405 and Allow, and nothing else is there', async () => {
  using bench = await startTestAdmin({ allowQuit: true });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
    for (const path of GETS) {
      const { status, headers } = await ask(bench.port, path, { method });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], `${method} ${path}`);
    }
  for (const method of ['GET', 'HEAD', 'PUT', 'OPTIONS'])
    for (const path of POSTS) {
      const { status, headers } = await ask(bench.port, path, { method });
      assert.deepEqual([status, headers.allow], [405, 'POST'], `${method} ${path}`);
    }
  for (const path of [
    '/nothing',
    '/metrics/',
    '//metrics',
    '/../metrics',
    '/constructor',
    'http://localhost/metrics',
  ])
    assert.equal((await ask(bench.port, path)).status, 404, path);
  assert.equal((await ask(bench.port, '/metrics?name=x')).status, 200);
  assert.deepEqual(bench.view.told, []);
});

test('no answer is kept, framed, sniffed or read by other sites', async () => {
  using bench = await startTestAdmin();
  for (const path of [...GETS, '/nothing']) {
    const { headers } = await ask(bench.port, path);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('a Host of elsewhere gets 403 for everything, and does nothing', async () => {
  using bench = await startTestAdmin({ allowQuit: true });
  const headers = { host: 'evil.example' };
  for (const path of [...GETS, '/nothing'])
    assert.equal((await ask(bench.port, path, { headers })).status, 403);
  for (const path of POSTS)
    assert.equal((await ask(bench.port, path, { method: 'POST', headers })).status, 403);
  assert.deepEqual(bench.view.told, []);
});

test('a POST of another site gets 403 and does nothing, one of a tool or our own page does it', async () => {
  using bench = await startTestAdmin({ allowQuit: true });
  const host = `127.0.0.1:${bench.port}`;
  for (const headers of [
    { origin: 'http://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'null' },
  ])
    for (const path of POSTS)
      assert.equal((await ask(bench.port, path, { method: 'POST', headers })).status, 403);
  assert.deepEqual(bench.view.told, []);
  for (const headers of [{}, { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }])
    for (const path of POSTS)
      assert.equal((await ask(bench.port, path, { method: 'POST', headers })).status, 202);
  assert.deepEqual(bench.view.told, ['drain', 'quit', 'drain', 'quit']);
});

test('without being allowed to, nobody can POST /quit', async () => {
  using bench = await startTestAdmin();
  const { status, body } = await ask(bench.port, '/quit', { method: 'POST' });
  assert.equal(status, 403);
  assert.match(body, /--admin-quit/);
  assert.deepEqual(bench.view.told, []);
});

test('a body is not waited for, and a long one is refused', async () => {
  using bench = await startTestAdmin();
  const socket = bench.dial();
  socket.write('POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n');
  const heard = Buffer.concat(await socket.toArray()).toString();
  assert.match(heard, /^HTTP\/1\.1 202 /);
  assert.deepEqual(bench.view.told, ['drain']);
  for (const headers of [{ 'content-length': 1_025 }, { 'transfer-encoding': 'chunked' }]) {
    const body = 'x'.repeat(1_025);
    assert.equal((await ask(bench.port, '/drain', { method: 'POST', headers, body })).status, 413);
  }
  assert.deepEqual(bench.view.told, ['drain']);
});

test('those that send their request slowly keep nobody waiting, and are given up', async () => {
  using bench = await startTestAdmin({ headersTimeoutMs: 100 });
  const slow = Array.from({ length: 30 }, (_, index) => {
    const socket = bench.dial();
    if (index % 2 === 0) socket.write('GET /metrics HTTP/1.1\r\nHost: loc');
    return socket.resume();
  });
  assert.equal((await ask(bench.port, '/liveness')).status, 200);
  await Promise.all(slow.map((socket) => once(socket, 'close')));
});

test('garbage and resets do it no harm', async () => {
  using bench = await startTestAdmin();
  const long = 'x'.repeat(20_000);
  const garbage = [
    '\0\0\0\x08\x04\xd2\x16\x2f',
    '\x16\x03\x01\0\xff\x01',
    'hello\r\n\r\n',
    'GET /metrics HTTP/9.9\r\n\r\n',
    'GET /metrics HTTP/1.1\r\n\r\n',
    'GET /metrics HTTP/1.0\r\n\r\n',
    'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    `GET /${long} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${long}\r\n\r\n`,
    'POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    'POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ];
  for (const text of garbage) {
    const socket = bench.dial();
    socket.write(text, 'latin1');
    const heard = (await socket.toArray()).join('');
    assert.match(heard, /^(?:HTTP\/1\.1 4\d\d |$)/, text.slice(0, 40));
  }
  for (let count = 0; count < 20; count += 1) {
    const socket = bench.dial();
    await once(socket, 'connect');
    socket.write('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.resetAndDestroy();
  }
  assert.equal((await ask(bench.port, '/liveness')).status, 200);
  assert.deepEqual(bench.view.told, []);
});

test('whoever keeps all connections does not keep a probe out', async () => {
  using bench = await startTestAdmin({ maxConnections: 4, headersTimeoutMs: 60_000 });
  const idle = Array.from({ length: 4 }, () => bench.dial().resume());
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const [oldest] = idle;
  assert.ok(oldest);
  const closed = once(oldest, 'close');
  assert.equal((await ask(bench.port, '/liveness')).status, 200);
  await closed;
});

test('several hundred requests at once are all answered', async () => {
  using bench = await startTestAdmin({ maxConnections: 1_000 });
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, index) => ask(bench.port, GETS[index % GETS.length] as string)),
  );
  assert.ok(answers.every(({ status }) => status === 200));
});

test('what fails inside is answered with 500, without the cause, which the log gets', async () => {
  using bench = await startTestAdmin();
  bench.view.servers = () => {
    throw new Error('hunter2');
  };
  const { status, body } = await ask(bench.port, '/status');
  assert.equal(status, 500);
  assert.doesNotMatch(body, /hunter2/);
  await bench.log.find('admin-error', ({ error }) => error === 'hunter2');
  assert.equal((await ask(bench.port, '/liveness')).status, 200);
});

test('a port that is taken is told at the start, with what to do', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await assert.rejects(startTestAdmin({ port }), (error: unknown) => {
    assert.ok(error instanceof StartError);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} \\(in use.*--admin-port`));
    return true;
  });
  other.close();
});

test('an address that is not here is told at the start', async () => {
  await assert.rejects(
    startTestAdmin({ address: '203.0.113.1' }),
    /StartError: .*EADDRNOTAVAIL.*--admin-address/,
  );
});

test('a close ends every connection', async () => {
  const bench = await startTestAdmin({ headersTimeoutMs: 60_000 });
  const sockets = ['', 'GET /liveness'].map((beginning) => {
    const socket = bench.dial().resume();
    socket.write(`GET /liveness HTTP/1.1\r\nHost: localhost\r\n\r\n${beginning}`);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'data')));
  const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
  bench.admin.close();
  await closed;
});

test('a hostile application name is only ever text', async () => {
  using bench = await startTestAdmin();
  const applicationName = '</script><img src=x onerror=alert(1)>","evil":"\\';
  const session = {
    id: 1,
    client: '127.0.0.1:1',
    applicationName,
    clientUser: undefined,
    database: 'app',
    role: undefined,
    ageMs: 1,
    activity: 'idle' as const,
    bytesFromClient: 1,
    bytesFromServer: 2,
  };
  bench.view.serverViews = [serverView({ sessionCount: 1, sessions: () => [session] })];
  const { json, headers } = await ask(bench.port, '/status');
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  const [server] = json['servers'] as { sessions: { list: unknown[] } }[];
  assert.deepEqual(server?.sessions.list, [{ ...session, clientUser: null, role: null }]);
  assert.ok(!(await ask(bench.port, '/metrics')).body.includes('onerror'));
});

test('at most a thousand sessions are listed, however many there are', async () => {
  using bench = await startTestAdmin();
  let looked = 0;
  const session = {
    id: 1,
    client: '',
    activity: 'idle' as const,
    ageMs: 0,
    bytesFromClient: 0,
    bytesFromServer: 0,
  };
  function* sessions() {
    for (;;) {
      looked += 1;
      yield { ...session, applicationName: '', clientUser: '', database: '', role: '' };
    }
  }
  bench.view.serverViews = [serverView({ sessionCount: 5_000, maxSessions: 9_000, sessions })];
  const [server] = (await ask(bench.port, '/status')).json['servers'] as {
    sessions: { active: number; list: unknown[] };
  }[];
  assert.deepEqual([server?.sessions.active, server?.sessions.list.length], [5_000, 1_000]);
  assert.ok(looked <= 1_001);
});

test('the port is any free one when it is 0, also at localhost', async () => {
  using bench = await startTestAdmin({ address: 'localhost' });
  assert.ok(bench.port > 0);
  assert.equal(bench.admin.address, '127.0.0.1');
  assert.equal((await ask(bench.port, '/liveness')).status, 200);
});
