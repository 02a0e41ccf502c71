import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { LoginGate } from '../../src/proxy/login-gate.ts';
import { Availability } from '../../src/upstream/availability.ts';
import { type AttackOptions, startAttack } from '../support/after-attack.ts';
import { authentication, fatal, STARTUP } from '../support/messages.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { RawClient, refusedLogin } from '../support/raw-client.ts';
import { closedPort, type Script } from '../support/scripted-server.ts';
import { createTestToken, TestTokenSource } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

function start(options: AttackOptions = {}) {
  const availability = new Availability();
  availability.reached();
  return startAttack({ availability, connectTimeoutMs: 60_000, loginTimeoutMs: 60_000, ...options });
}

function answers(bytes: Buffer): Script {
  return async (connection) => {
    await connection.readSslRequest();
    await connection.flush(bytes);
    await connection.untilGone();
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

const FINAL: Readonly<Record<string, readonly [script: Script, sqlState: string]>> = {
  'has no TLS': [answers(Buffer.from('N')), '08001'],
  'answers with an error': [answers(Buffer.from('E')), '08001'],
  'speaks something else': [answers(Buffer.from('H')), '08001'],
  'sends plaintext behind S': [answers(Buffer.from('Sx')), '08001'],
  'says in TLS what is no TLS': [answers(Buffer.from('S')), '08001'],
  'has no such database': [says('3D000', 'database "app" does not exist'), '3D000'],
  'has no connection left': [says('53300', 'sorry, too many clients already'), '53300'],
  'wants another kind of password': [
    async (connection) => {
      await connection.acceptStartup();
      await connection.flush(authentication(5, 'salt'));
      await connection.untilGone();
    },
    '28000',
  ],
};

for (const [what, [script, sqlState]] of Object.entries(FINAL)) {
  test(`a server that ${what} is dialled once`, async () => {
    const isSilent = what === 'says in TLS what is no TLS';
    await using attack = await start(isSilent ? { connectTimeoutMs: 300 } : {});
    attack.server.script = script;
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, sqlState);
    assert.doesNotMatch(error.message, /tried for/);
    assert.equal(attack.server.connections.length, 1);
    await attack.assertUnharmed();
  });
}

test('a server whose certificate is for another name, or from a stranger, is dialled once', async () => {
  const authority = await createCertificateAuthority('the trusted one');
  const stranger = await createCertificateAuthority('a stranger');
  const certificates = [
    await authority.issue({ dnsNames: ['other.example'] }),
    await stranger.issue({ dnsNames: [SERVER_NAME] }),
  ];
  for (const { certPem, keyPem } of certificates) {
    await using attack = await start({ authority });
    attack.server.tls = { cert: certPem, key: keyPem };
    const error = await refusedLogin(attack.proxy.port);
    assert.match(error.message, /certificate/);
    assert.equal(attack.server.connections.length, 1);
    attack.assertTokenKept();
  }
});

test('a server that was away and then refuses is back, and the refusal is final', async () => {
  await using attack = await start();
  let count = 0;
  attack.server.script = (connection) => {
    count += 1;
    return (count === 1 ? starting : says('3D000', 'database "app" does not exist'))(connection);
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '3D000');
  assert.equal(attack.server.connections.length, 2);
  await attack.proxy.log.find('server-back');
  await attack.assertUnharmed();
});

test('a server that goes in the middle of each login is tried twice', async () => {
  await using attack = await start();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.reset();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08006');
  assert.equal(attack.server.connections.length, 2);
  await attack.assertUnharmed();
});

test('a server that stays away is told in the words of the last failure, and for how long was tried', async () => {
  await using refusing = await startProxy({
    upstream: { port: await closedPort(), caPem: (await createCertificateAuthority('nobody')).certPem },
    tokens: new TestTokenSource(createTestToken()),
    availability: new Availability(),
    connectTimeoutMs: 300,
  });
  const refused = await refusedLogin(refusing.port);
  assert.equal(refused.code, '08001');
  assert.match(refused.message, /refused the connection \(tried for less than 1 s\)$/);
  assert.match(refused.hint ?? '', /--upstream-port/);
  await using attack = await start({ connectTimeoutMs: 300 });
  attack.server.script = starting;
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '57P03');
  assert.equal(error.message, 'the database system is starting up');
  assert.match(error.hint ?? '', /tried for less than 1 s: try again.*--connect-timeout/);
  await attack.assertUnharmed();
});

test('a login deadline that comes while the server is away is told as the server being away', async () => {
  await using attack = await start({ loginTimeoutMs: 400 });
  attack.server.script = starting;
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '57P03');
  await attack.assertUnharmed();
});

for (const leave of ['end', 'resetAndDestroy'] as const) {
  test(`a client that leaves while the server is away gives up its place at once (${leave})`, async () => {
    await using attack = await start({ loginGate: new LoginGate(1) });
    attack.server.script = starting;
    const client = new RawClient(attack.proxy.port).send(STARTUP);
    await attack.proxy.log.find('server-away');
    client.socket[leave]();
    await until('the place to be free', () => attack.proxy.deps.loginGate.underWayCount === 0);
    await attack.assertUnharmed();
  });
}

test('a drain ends a login that waits for the server', async () => {
  await using attack = await start();
  attack.server.script = starting;
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  await attack.proxy.log.find('server-away');
  const drained = attack.proxy.server.drain(10_000);
  const error = await client.refusal();
  await drained;
  assert.match(error.message, /shutting down/);
  assert.equal(error.code, '57P03');
});

test('who has waited for its turn through an outage does not wait as long again', async () => {
  const CLIENTS = 10;
  await using attack = await start({ loginGate: new LoginGate(1), connectTimeoutMs: 400 });
  attack.server.script = starting;
  const errors = await Promise.all(Array.from({ length: CLIENTS }, () => refusedLogin(attack.proxy.port)));
  assert.deepEqual(new Set(errors.map(({ code }) => code)), new Set(['57P03']));
  // Each on its own would have tried twice at least.
  const dials = attack.server.connections.length;
  assert.ok(dials < 1.8 * CLIENTS, `${dials} dials for ${CLIENTS} clients`);
  await attack.assertUnharmed();
});
