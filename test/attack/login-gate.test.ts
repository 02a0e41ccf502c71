import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginGate } from '../../src/proxy/login-gate.ts';
import { startAttack } from '../support/after-attack.ts';
import { CLEARTEXT_PASSWORD, fatal, int32, message, packet, STARTUP, WELCOME } from '../support/messages.ts';
import { STARTUP as PASSED_STARTUP, PASSWORD, passing } from '../support/pass-through.ts';
import { RawClient } from '../support/raw-client.ts';
import type { Script, ScriptedConnection } from '../support/scripted-server.ts';
import { createTestToken } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const CROWD = 200;

const TIMEOUT = { timeout: 60_000 };

/** Logins under way at a server, which lets one in when it is told to. */
class Door {
  underWay = 0;
  mostUnderWay = 0;
  readonly #opened = Promise.withResolvers<void>();

  open(): void {
    this.#opened.resolve();
  }

  readonly script: Script = async (connection) => {
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await connection.acceptToken();
    await this.#opened.promise;
    this.underWay -= 1;
    connection.send(WELCOME);
    await connection.serve();
  };
}

function crowd(port: number, count: number): RawClient[] {
  return Array.from({ length: count }, () => new RawClient(port).send(STARTUP));
}

async function refusal(client: RawClient): Promise<string> {
  const { code, hint } = await client.refusal();
  return `${code} ${hint}`;
}

test(
  'of 200 clients at once never more than 8 are being let in by the server, and all get in',
  TIMEOUT,
  async () => {
    const loginGate = new LoginGate(8);
    await using attack = await startAttack({ loginGate });
    const door = new Door();
    attack.server.script = door.script;
    const clients = crowd(attack.proxy.port, CROWD);
    await until('the others to wait', () => loginGate.waitingCount === CROWD - 8 && door.underWay === 8);
    assert.equal(attack.server.connections.length, 8);
    door.open();
    await Promise.all(clients.map((client) => client.hear(WELCOME.length)));
    assert.equal(door.mostUnderWay, 8);
    assert.equal(attack.server.connections.length, CROWD);
    for (const client of clients) client.socket.end();
    await attack.assertUnharmed();
  },
);

for (const leave of ['destroy', 'resetAndDestroy'] as const) {
  test(`a crowd that leaves while it waits (${leave}) costs the server nothing`, TIMEOUT, async () => {
    const loginGate = new LoginGate(1);
    await using attack = await startAttack({ loginGate });
    const door = new Door();
    attack.server.script = door.script;
    const [first] = crowd(attack.proxy.port, 1) as [RawClient];
    await until('the first to be under way', () => door.underWay === 1);
    const clients = crowd(attack.proxy.port, CROWD);
    await until('the others to wait', () => loginGate.waitingCount === CROWD);
    const [last] = crowd(attack.proxy.port, 1) as [RawClient];
    await until('the last to wait', () => loginGate.waitingCount === CROWD + 1);
    for (const client of clients) client.socket[leave]();
    await until('the queue to be left', () => loginGate.waitingCount === 1);
    door.open();
    await last.hear(WELCOME.length);
    assert.equal(attack.server.connections.length, 2);
    for (const client of [first, last]) client.socket.end();
    await attack.assertUnharmed();
    assert.equal(loginGate.underWayCount, 0);
  });
}

const FAILURES: Readonly<Record<string, Script>> = {
  'is refused': async (connection) => {
    await connection.acceptToken();
    connection.send(fatal('28000', 'no'));
    connection.end();
  },
  'is cut off in the handshake': async (connection) => {
    await connection.readSslRequest();
    connection.reset();
  },
  'meets with nonsense': async (connection) => {
    await connection.acceptStartup();
    connection.send(message('?'));
  },
};

for (const [how, script] of Object.entries(FAILURES)) {
  test(`a login that ${how} makes place for the next`, TIMEOUT, async () => {
    await using attack = await startAttack({ loginGate: new LoginGate(1) });
    attack.server.script = script;
    const codes = await Promise.all(crowd(attack.proxy.port, 20).map((client) => client.refusal()));
    assert.equal(codes.length, 20);
    await attack.assertUnharmed();
  });
}

test('at the login deadline the one under way is told 57P05, those that wait 53300', TIMEOUT, async () => {
  const loginGate = new LoginGate(1);
  await using attack = await startAttack({ loginGate, loginTimeoutMs: 500 });
  attack.server.script = new Door().script;
  const first = new RawClient(attack.proxy.port).send(STARTUP);
  await until('the first to be under way', () => loginGate.underWayCount === 1);
  const refusals = crowd(attack.proxy.port, 20).map(refusal);
  assert.equal((await first.refusal()).code, '57P05');
  // Some of them are let in when it is too late already: it is the wait that they are told of, too.
  for (const told of await Promise.all(refusals)) assert.match(told, /^53300 .*--max-logins/);
  await attack.assertUnharmed();
});

test('a drain sends away at once who waits, with 57P03', TIMEOUT, async () => {
  const loginGate = new LoginGate(1);
  await using attack = await startAttack({ loginGate });
  attack.server.script = new Door().script;
  const clients = crowd(attack.proxy.port, 20);
  await until('the others to wait', () => loginGate.waitingCount === 19);
  const drained = attack.proxy.server.drain(60_000);
  const errors = await Promise.all(clients.map((client) => client.refusal()));
  assert.deepEqual(new Set(errors.map(({ code }) => code)), new Set(['57P03']));
  await drained;
  assert.equal(attack.server.connections.length, 1);
  assert.deepEqual([loginGate.underWayCount, loginGate.waitingCount], [0, 0]);
});

/** The application names of the startup messages that came, in their order. */
function names(connections: readonly ScriptedConnection[]): string[] {
  return connections.map(({ heard }) => /application_name\0(\w+)/.exec(heard.toString('latin1'))?.[1] ?? '');
}

test('a login that is tried again with a fresh token keeps its place', TIMEOUT, async () => {
  const loginGate = new LoginGate(1);
  await using attack = await startAttack({ loginGate });
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    await until('the other to wait', () => loginGate.waitingCount === 1);
    attack.tokens.token = createTestToken();
    attack.server.script = async (next) => {
      await next.acceptToken();
      next.send(WELCOME);
      await next.serve();
    };
    connection.send(fatal('28P01', 'The access token has expired'));
    connection.end();
  };
  const startup = (name: string): Buffer =>
    packet(int32(0x00_03_00_00), `user\0anyone\0database\0app\0application_name\0${name}\0\0`);
  const first = new RawClient(attack.proxy.port).send(startup('first'));
  await until('the first to be under way', () => loginGate.underWayCount === 1);
  const second = new RawClient(attack.proxy.port).send(startup('second'));
  await Promise.all([first, second].map((client) => client.hear(WELCOME.length)));
  assert.deepEqual(names(attack.server.connections), ['first', 'first', 'second']);
  for (const client of [first, second]) client.socket.end();
  await attack.assertUnharmed();
});

test('clients that type their passwords for long hold up nobody', TIMEOUT, async () => {
  const loginGate = new LoginGate(1);
  await using attack = await startAttack({ loginGate, clientUsers: passing('passed') });
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(CLEARTEXT_PASSWORD);
    await connection.readMessage();
    connection.send(WELCOME);
    await connection.serve();
  };
  const typing = Array.from({ length: 5 }, () => new RawClient(attack.proxy.port).send(PASSED_STARTUP));
  await Promise.all(typing.map((client) => client.hear(CLEARTEXT_PASSWORD.length)));
  assert.deepEqual([loginGate.underWayCount, loginGate.waitingCount], [0, 0]);
  for (const client of typing) client.send(PASSWORD);
  await Promise.all(typing.map((client) => client.hear(CLEARTEXT_PASSWORD.length + WELCOME.length)));
  for (const client of typing) client.socket.end();
  await attack.assertUnharmed();
});

test('a CancelRequest reaches the server while logins wait', TIMEOUT, async () => {
  const loginGate = new LoginGate(1);
  await using attack = await startAttack({ loginGate });
  await using session = await connectFirst(attack.proxy.port);
  const door = new Door();
  attack.server.script = door.script;
  const clients = crowd(attack.proxy.port, 3);
  await until('the others to wait', () => loginGate.waitingCount === 2 && door.underWay === 1);
  const cancel = packet(int32(80_877_102), int32(4_711), int32(0x12_34_56_78));
  attack.server.script = async (connection) => {
    await connection.acceptTls();
    await connection.hasUnread();
    connection.end();
  };
  await new RawClient(attack.proxy.port).send(cancel).end();
  const [forwarded] = attack.server.connections.slice(-1);
  assert.deepEqual(forwarded?.unread, cancel);
  attack.server.script = door.script;
  door.open();
  await Promise.all(clients.map((client) => client.hear(WELCOME.length)));
  for (const client of clients) client.socket.end();
  await session[Symbol.asyncDispose]();
  await attack.assertUnharmed();
});

/** A session whose key {@link WELCOME} names. */
async function connectFirst(port: number): Promise<AsyncDisposable> {
  const client = new RawClient(port).send(STARTUP);
  await client.hear(WELCOME.length);
  return {
    async [Symbol.asyncDispose]() {
      client.socket.end();
      await client.end();
    },
  };
}
