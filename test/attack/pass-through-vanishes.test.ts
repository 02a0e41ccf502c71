import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authentication, CLEARTEXT_PASSWORD, message, notice, WELCOME } from '../support/messages.ts';
import {
  askForPassword,
  assertUnharmed,
  lastError,
  PASSWORD,
  STARTUP,
  startPassing,
} from '../support/pass-through.ts';
import { RawClient } from '../support/raw-client.ts';

const NOTHING = Buffer.alloc(0);

const OFFER = authentication(10, 'SCRAM-SHA-256\0\0');

const CHALLENGE = authentication(11, 'r=nonce,s=salt,i=4096');

/** How far a login goes: what the server says, what the client answers, and what the server says then. */
interface Step {
  readonly says?: Buffer;
  readonly answer?: Buffer;
  readonly saysThen?: Buffer;
  /** What the client gets of it; default: all. */
  readonly heard?: Buffer;
}

const SERVER_STEPS: Readonly<Record<string, Step>> = {
  'after the startup message': {},
  'after a NOTICE': { says: notice('so long') },
  'in the middle of a message': { says: CLEARTEXT_PASSWORD.subarray(0, 7), heard: NOTHING },
  'while the client takes its time': { says: CLEARTEXT_PASSWORD },
  'in the middle of the answer': { says: CLEARTEXT_PASSWORD, answer: PASSWORD.subarray(0, -1) },
  'after the password': { says: CLEARTEXT_PASSWORD, answer: PASSWORD },
  'between two steps of SCRAM': { says: OFFER, answer: PASSWORD, saysThen: CHALLENGE },
};

for (const [when, { says = NOTHING, answer = NOTHING, saysThen = NOTHING, heard }] of Object.entries(
  SERVER_STEPS,
)) {
  for (const how of ['end', 'destroy', 'reset'] as const) {
    test(`a server that leaves ${when} (${how}) is 08006, and nothing is said twice`, async () => {
      await using attack = await startPassing({ loginTimeoutMs: 60_000 });
      const mayLeave = Promise.withResolvers<void>();
      attack.server.script = async (connection) => {
        await connection.acceptStartup();
        await connection.flush(says);
        if (answer.length === PASSWORD.length) await connection.readMessage();
        await connection.flush(saysThen);
        await mayLeave.promise;
        connection[how]();
      };
      const expected = heard ?? Buffer.concat([says, saysThen]);
      const client = new RawClient(attack.proxy.port).send(STARTUP, answer);
      await client.hear(expected.length);
      mayLeave.resolve();
      const { error, before } = await lastError(client);
      assert.equal(error.code, '08006');
      assert.match(error.hint ?? '', /try again/);
      assert.deepEqual(before, expected);
      await assertUnharmed(attack);
    });
  }
}

const CLIENT_STEPS: Readonly<Record<string, Step>> = {
  'before the server asks': {},
  'when it is asked for a password': { says: CLEARTEXT_PASSWORD },
  'in the middle of its answer': { says: CLEARTEXT_PASSWORD, answer: PASSWORD.subarray(0, 9) },
  'after its answer': { says: CLEARTEXT_PASSWORD, answer: PASSWORD },
  'between two steps of SCRAM': { says: OFFER, answer: PASSWORD, saysThen: CHALLENGE },
};

const WITHOUT_QUESTION = new Set(['before the server asks', 'after its answer']);

for (const [when, { says = NOTHING, answer = NOTHING, saysThen = NOTHING }] of Object.entries(CLIENT_STEPS)) {
  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    // One that only closes its side can still be served, until it is asked for something.
    if (how !== 'resetAndDestroy' && WITHOUT_QUESTION.has(when)) continue;
    test(`a client that leaves ${when} (${how}) ends its dial at once, which is worth a debug line`, async () => {
      await using attack = await startPassing({ loginTimeoutMs: 60_000 });
      const reached = Promise.withResolvers<void>();
      attack.server.script = async (connection) => {
        await connection.acceptStartup();
        await connection.flush(says);
        if (answer.length === PASSWORD.length) await connection.readMessage();
        await connection.flush(saysThen);
        reached.resolve();
        await connection.untilGone();
      };
      const client = new RawClient(attack.proxy.port).send(STARTUP, answer);
      await client.hear(says.length + saysThen.length);
      await reached.promise;
      client.socket[how]();
      const line = await attack.proxy.log.find('session');
      assert.equal(line['level'], 20);
      assert.match(String(line['msg']), /left before its login was done/);
      client.socket.destroy();
      assert.equal(attack.server.connections[0]?.unread.length, 0);
      await assertUnharmed(attack);
    });
  }
}

for (const [what, bytes] of Object.entries({ nothing: NOTHING, Terminate: message('X') })) {
  test(`a client that says ${what} instead of its password and closes its side is told nothing more`, async () => {
    await using attack = await startPassing({ loginTimeoutMs: 60_000 });
    attack.server.script = askForPassword;
    const client = new RawClient(attack.proxy.port).send(STARTUP, bytes);
    client.socket.end();
    assert.deepEqual(await client.end(), CLEARTEXT_PASSWORD);
    assert.equal((await attack.proxy.log.find('session'))['level'], 20);
    await assertUnharmed(attack);
  });
}

test('a client that half-closes behind its password is served', async () => {
  await using attack = await startPassing();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    await connection.askForToken();
    connection.send(WELCOME);
    await connection.serve();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP, PASSWORD);
  client.socket.end();
  assert.deepEqual(await client.end(), Buffer.concat([CLEARTEXT_PASSWORD, WELCOME]));
  await assertUnharmed(attack);
});

for (const how of ['end', 'destroy', 'reset'] as const) {
  test(`a server that cannot be dialled as it leaves in the handshake (${how}) is 08001`, async () => {
    await using attack = await startPassing();
    attack.server.script = async (connection) => {
      await connection.readSslRequest();
      connection[how]();
    };
    const { error, before } = await lastError(new RawClient(attack.proxy.port).send(STARTUP, PASSWORD));
    assert.equal(error.code, '08001');
    assert.equal(before.length, 0);
    await assertUnharmed(attack);
  });
}
