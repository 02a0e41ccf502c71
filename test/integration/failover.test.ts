import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginGate } from '../../src/proxy/login-gate.ts';
import { Availability } from '../../src/upstream/availability.ts';
import { type AttackOptions, startAttack } from '../support/after-attack.ts';
import { startForwarder } from '../support/forwarder.ts';
import { AUTHENTICATION_OK, fatal, STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { closedPort, type Script, welcome } from '../support/scripted-server.ts';
import { startSilentAddress } from '../support/silent-address.ts';

/** A server that was there a moment ago. */
function known(): Availability {
  const availability = new Availability();
  availability.reached();
  return availability;
}

function startFailover(options: AttackOptions = {}) {
  return startAttack({ availability: known(), connectTimeoutMs: 30_000, ...options });
}

async function logInAndOut(port: number): Promise<void> {
  await using login = await connectPg(port);
  await login.client.end();
}

/** Fails each of the first connections in one way, then lets in. */
function failing(ways: readonly Script[], then: Script = welcome): Script {
  let count = 0;
  return (connection) => {
    const way = ways[count] ?? then;
    count += 1;
    return way(connection);
  };
}

function says(sqlState: string, text: string): Script {
  return async (connection) => {
    await connection.acceptStartup();
    await connection.flush(fatal(sqlState, text));
    connection.end();
  };
}

const starting = says('57P03', 'the database system is starting up');

const FAILURES: Readonly<Record<string, readonly Script[]>> = {
  'says that it is starting': [starting, starting],
  'says that it is stopping': [
    says('57P01', 'terminating connection due to administrator command'),
    says('57P03', 'the database system is shutting down'),
  ],
  'says that it crashed': [
    says('57P02', 'terminating connection because of crash of another server process'),
  ],
  'resets at once': [async ({ tcp }) => void tcp.resetAndDestroy(), async ({ tcp }) => void tcp.destroy()],
  'resets instead of answering': [
    async (connection) => {
      await connection.readSslRequest();
      connection.reset();
    },
    async (connection) => {
      await connection.readSslRequest();
      connection.end();
    },
  ],
  'resets in the handshake': [
    async (connection) => {
      await connection.readSslRequest();
      await connection.flush(Buffer.from('S'));
      await connection.hasUnread();
      connection.reset();
    },
  ],
  'goes in the middle of the login': [
    async (connection) => {
      await connection.acceptToken();
      connection.destroy();
    },
    starting,
  ],
};

for (const [what, ways] of Object.entries(FAILURES)) {
  test(`a login goes well though the server first ${what}`, async () => {
    await using failover = await startFailover();
    failover.server.script = failing(ways);
    await logInAndOut(failover.proxy.port);
    assert.equal(failover.server.connections.length, ways.length + 1);
    const line = await failover.proxy.log.find('session');
    assert.equal(line['dials'], ways.length + 1);
    await failover.assertUnharmed();
  });
}

test('a client that is passed through is waited with too, until it has heard of the server', async () => {
  const clientUsers = new Map([['anyone', { kind: 'passThrough' as const }]]);
  await using failover = await startFailover({ clientUsers });
  const trusting: Script = async (connection) => {
    await connection.acceptStartup();
    connection.send(WELCOME);
    await connection.serve();
  };
  failover.server.script = failing([starting, starting], trusting);
  await logInAndOut(failover.proxy.port);
  assert.equal(failover.server.connections.length, 3);
  failover.server.script = async (connection) => {
    await connection.acceptToken();
    await connection.flush(fatal('57P03', 'the database system is shutting down'));
    connection.end();
  };
  await assert.rejects(connectPg(failover.proxy.port, { password: 'own' }), { code: '57P03' });
  assert.equal(failover.server.connections.length, 4);
});

test('a server that starts together with the proxy is waited for', async () => {
  const port = await closedPort();
  await using failover = await startAttack();
  await using proxied = await startAttack({
    upstream: { port, caPem: failover.caPem },
    availability: new Availability(),
    token: failover.token,
  });
  const login = logInAndOut(proxied.proxy.port);
  await proxied.proxy.log.find('server-away');
  await using hop = await startForwarder(failover.server.port, port);
  await login;
  assert.equal(hop.opened, 1);
  const { awayMs } = await proxied.proxy.log.find('server-back');
  assert.equal(typeof awayMs, 'number');
});

test('a server is known from its first connection on, and then waited for as long as it takes', async () => {
  const availability = new Availability();
  assert.equal(availability.patienceMs('outage', 30_000), 2_000);
  await using failover = await startFailover({ availability });
  await logInAndOut(failover.proxy.port);
  assert.equal(availability.patienceMs('outage', 30_000), 30_000);
});

test('a name that does not resolve, and then stands for another address, is resolved anew', async () => {
  const upstream = { port: 0, caPem: '', address: 'nonexistent.invalid' };
  await using failover = await startAttack();
  Object.assign(upstream, { port: failover.server.port, caPem: failover.caPem });
  await using proxied = await startFailover({ upstream, token: failover.token });
  const login = logInAndOut(proxied.proxy.port);
  const { error } = await proxied.proxy.log.find('server-away');
  assert.match(String(error), /could not resolve/);
  upstream.address = '127.0.0.1';
  await login;
});

test('an address that has fallen silent does not use up all the time: the name is resolved anew', async () => {
  const upstream = { port: 0, caPem: '', address: '127.0.0.2' };
  await using failover = await startAttack();
  Object.assign(upstream, { port: failover.server.port, caPem: failover.caPem });
  await using silent = new AsyncDisposableStack();
  silent.use(await startSilentAddress('127.0.0.2', failover.server.port));
  await using proxied = await startFailover({ upstream, token: failover.token, connectTimeoutMs: 6_000 });
  const login = logInAndOut(proxied.proxy.port);
  const { error } = await proxied.proxy.log.find('server-away');
  assert.match(String(error), /no answer from the server at 127\.0\.0\.2/);
  upstream.address = '127.0.0.1';
  await login;
});

test('who comes back after an outage finds the gate as narrow as ever, and all get in', async () => {
  const CLIENTS = 24;
  await using failover = await startFailover({ loginGate: new LoginGate(2) });
  let mostAtOnce = 0;
  let underWay = 0;
  const counted =
    (script: Script): Script =>
    async (connection) => {
      underWay += 1;
      mostAtOnce = Math.max(mostAtOnce, underWay);
      await script(connection).finally(() => {
        underWay -= 1;
      });
    };
  const letIn: Script = async (connection) => {
    await connection.acceptToken();
    connection.send(WELCOME);
  };
  failover.server.script = failing([starting, starting, starting, starting].map(counted), counted(letIn));
  const clients = Array.from({ length: CLIENTS }, () => new RawClient(failover.proxy.port).send(STARTUP));
  await Promise.all(clients.map((client) => client.hear(AUTHENTICATION_OK.length)));
  assert.ok(clients.every(({ heard }) => heard[0] === 0x52));
  assert.ok(mostAtOnce <= 2, `${mostAtOnce} logins at once`);
  assert.equal(failover.server.connections.length, CLIENTS + 4);
  for (const { socket } of clients) socket.destroy();
});
