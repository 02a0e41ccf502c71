import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AUTHENTICATION_OK,
  authentication,
  CLEARTEXT_PASSWORD,
  fatal,
  int32,
  message,
  notice,
  READY,
  report,
  WELCOME,
} from '../support/messages.ts';
import {
  askForPassword,
  assertUnharmed,
  lastError,
  PASSWORD,
  STARTUP,
  startPassing,
} from '../support/pass-through.ts';
import { RawClient } from '../support/raw-client.ts';

test('a whole SCRAM dialogue is relayed byte for byte, less the mechanisms with channel binding', async () => {
  const offer = authentication(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0OAUTHBEARER\0SCRAM-SHA-512-PLUS\0\0');
  const stripped = authentication(10, 'SCRAM-SHA-256\0\0');
  const negotiation = message('v', int32(0), int32(1), '_pq_.grease\0');
  const [first, second, final] = [
    notice('one'),
    authentication(11, 'r=nonce,s=salt,i=4096'),
    authentication(12, 'v=sig'),
  ];
  const answers = [
    message('p', 'SCRAM-SHA-256\0', int32(5), 'n,,xx'),
    message('p', 'c=biws,r=nonce,p=proof'),
  ];
  const query = message('Q', 'select 1\0');
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    assert.deepEqual(await connection.acceptStartup(), STARTUP.subarray(4));
    connection.send(negotiation, first, offer);
    await connection.readMessage();
    connection.send(second);
    await connection.readMessage();
    connection.send(notice('two'), final, WELCOME);
    await connection.readMessage();
    await connection.flush(READY);
    connection.end();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  const head = Buffer.concat([negotiation, first, stripped]);
  assert.deepEqual(await client.hear(head.length), head);
  client.send(...answers, query, message('X'));
  const expected = Buffer.concat([head, second, notice('two'), final, WELCOME, READY]);
  assert.deepEqual(await client.end(), expected);
  const sent = Buffer.concat([STARTUP.subarray(4), ...answers, query, message('X')]);
  assert.ok(attack.server.connections[0]?.heard.includes(sent), 'the server did not get all of it, in order');
  await assertUnharmed(attack);
});

test('an MD5 dialogue is relayed byte for byte', async () => {
  const salted = authentication(5, Buffer.of(0xff, 0, 1, 2));
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(salted);
    await connection.readMessage();
    connection.send(WELCOME);
    await connection.serve();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  await client.hear(salted.length);
  client.send(PASSWORD, message('X'));
  assert.deepEqual(await client.end(), Buffer.concat([salted, WELCOME]));
  assert.ok(attack.server.connections[0]?.heard.includes(PASSWORD));
  await assertUnharmed(attack);
});

const OTHER_METHODS: readonly { code: number; data?: string; name: RegExp }[] = [
  { code: 2, name: /Kerberos V5/ },
  { code: 6, name: /SCM/ },
  { code: 7, name: /GSSAPI/ },
  { code: 8, name: /GSSAPI/ },
  { code: 9, name: /SSPI/ },
  { code: 10, data: 'SCRAM-SHA-256-PLUS\0\0', name: /SCRAM-SHA-256-PLUS/ },
  { code: 10, data: 'OAUTHBEARER\0\0', name: /OAUTHBEARER/ },
  { code: 10, data: '\0', name: /SASL/ },
  { code: 99, name: /code 99/ },
];

for (const { code, data = '', name } of OTHER_METHODS) {
  test(`authentication request ${code} (${name.source}) cannot be passed through: 28000`, async () => {
    await using attack = await startPassing();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(authentication(code, data));
      await connection.untilGone();
    };
    const error = await new RawClient(attack.proxy.port).send(STARTUP, PASSWORD).refusal();
    assert.equal(error.code, '28000');
    assert.match(error.message, name);
    assert.match(error.message, /"passed"/);
    assert.match(error.hint ?? '', /SCRAM-SHA-256 without channel binding/);
    assert.equal(attack.server.connections[0]?.unread.length, 0);
    await assertUnharmed(attack);
  });
}

test("a server's refusal is passed on once and as it is, whatever was said before", async () => {
  const said = Buffer.concat([notice('one'), CLEARTEXT_PASSWORD, notice('two')]);
  const refusal = report('E', {
    S: 'FATAL',
    C: '28P01',
    M: 'password authentication failed for user "passed"',
  });
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(said);
    await connection.readMessage();
    connection.send(refusal);
    connection.end();
  };
  const heard = await new RawClient(attack.proxy.port).send(STARTUP, PASSWORD).end();
  assert.deepEqual(heard, Buffer.concat([said, refusal]));
  await assertUnharmed(attack);
});

test('a server that loses patience while the client takes its time is heard at once', async () => {
  const refusal = fatal('57014', 'canceling authentication due to timeout');
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    await connection.flush(CLEARTEXT_PASSWORD, refusal);
    connection.end();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP, PASSWORD.subarray(0, 7));
  assert.deepEqual(await client.end(), Buffer.concat([CLEARTEXT_PASSWORD, refusal]));
  await assertUnharmed(attack);
});

test('a client that takes too long for its password is 57P05', async () => {
  await using attack = await startPassing({ loginTimeoutMs: 300 });
  attack.server.script = askForPassword;
  const client = new RawClient(attack.proxy.port).send(STARTUP, PASSWORD.subarray(0, -1));
  assert.equal((await lastError(client)).error.code, '57P05');
  await assertUnharmed(attack);
});

test('a client that has not given its password when the proxy stops is 57P03', async () => {
  await using attack = await startPassing();
  attack.server.script = askForPassword;
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  await client.hear(CLEARTEXT_PASSWORD.length);
  const drained = attack.proxy.server.drain(10_000);
  assert.equal((await lastError(client)).error.code, '57P03');
  assert.equal(await drained, 0);
});

const NONSENSE: Readonly<Record<string, Buffer>> = {
  'a flood of NOTICEs': Buffer.concat(Array<Buffer>(200).fill(notice('x'.repeat(1_000)))),
  'a flood of SASLFinal': Buffer.concat(Array<Buffer>(2_000).fill(authentication(12, 'v='.padEnd(100)))),
  'an Authentication message of 2 KB': authentication(11, 'x'.repeat(2_000)),
  'a message length of 2^31-1': Buffer.concat([Buffer.from('R'), int32(0x7f_ff_ff_ff), Buffer.alloc(64)]),
  'a message length of 3': Buffer.concat([Buffer.from('R'), int32(3), Buffer.alloc(64)]),
  'AuthenticationOk with something behind it': authentication(0, 'more'),
  'a salt of 5 bytes': authentication(5, 'salty'),
  'a list of mechanisms without an end': authentication(10, 'SCRAM-SHA-256\0'),
  'a query result': Buffer.concat([message('C', 'SELECT 0\0'), READY]),
  'an ErrorResponse that is cut off': message('E', 'SFATAL\0VFATAL'),
};

for (const [what, bytes] of Object.entries(NONSENSE)) {
  test(`${what} instead of AuthenticationOk is 08P01`, async () => {
    await using attack = await startPassing();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(bytes);
      await connection.untilGone();
    };
    const { error } = await lastError(new RawClient(attack.proxy.port).send(STARTUP));
    assert.equal(error.code, '08P01');
    assert.match(error.hint ?? '', /--upstream-address/);
    await assertUnharmed(attack);
  });
}

test('a server that asks again and again is 08P01 after ten answers', async () => {
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    for (;;) await connection.askForToken();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP, ...Array<Buffer>(100).fill(PASSWORD));
  const { error } = await lastError(client);
  assert.equal(error.code, '08P01');
  assert.match(error.hint ?? '', /--upstream-address/);
  assert.equal(attack.server.passwords.length, 10);
  await assertUnharmed(attack);
});

test('a server that does not wait for an answer is 08P01', async () => {
  for (const next of [CLEARTEXT_PASSWORD, AUTHENTICATION_OK]) {
    await using attack = await startPassing();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(CLEARTEXT_PASSWORD, next);
      await connection.untilGone();
    };
    assert.equal((await lastError(new RawClient(attack.proxy.port).send(STARTUP))).error.code, '08P01');
    await assertUnharmed(attack);
  }
});

const WRONG_ANSWERS: Readonly<Record<string, Buffer>> = {
  'a query': message('Q', 'select 1\0'),
  'a second startup message': STARTUP,
  'a length of 2^31-1': Buffer.concat([Buffer.from('p'), int32(0x7f_ff_ff_ff), Buffer.alloc(64)]),
  'a length of 2^32-1': Buffer.concat([Buffer.from('p'), int32(0xff_ff_ff_ff), Buffer.alloc(64)]),
  'a length of 3': Buffer.concat([Buffer.from('p'), int32(3)]),
  'one byte more than PostgreSQL reads': message('p', Buffer.alloc(65_536)),
};

for (const [what, answer] of Object.entries(WRONG_ANSWERS)) {
  test(`a client that answers with ${what} is 08P01, and the server gets none of it`, async () => {
    await using attack = await startPassing();
    attack.server.script = askForPassword;
    const { error } = await lastError(new RawClient(attack.proxy.port).send(STARTUP, answer));
    assert.equal(error.code, '08P01');
    assert.ok(error.hint);
    assert.equal(attack.server.connections[0]?.unread.length, 0);
    await assertUnharmed(attack);
  });
}

test('the longest answer that PostgreSQL reads gets there, and so does an empty one', async () => {
  for (const answer of [message('p', Buffer.alloc(65_535, 1)), message('p')]) {
    await using attack = await startPassing();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(CLEARTEXT_PASSWORD);
      await connection.readMessage();
      connection.send(WELCOME);
      await connection.serve();
    };
    const heard = await new RawClient(attack.proxy.port).send(STARTUP, answer, message('X')).end();
    assert.deepEqual(heard, Buffer.concat([CLEARTEXT_PASSWORD, WELCOME]));
    assert.ok(attack.server.connections[0]?.heard.includes(answer));
    await assertUnharmed(attack);
  }
});
