import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { assertKept } from '../support/canary.ts';
import { authentication, CLEARTEXT_PASSWORD, fatal, message, WELCOME } from '../support/messages.ts';
import { assertUnharmed, STARTUP, startPassing } from '../support/pass-through.ts';
import { RawClient } from '../support/raw-client.ts';
import type { Script } from '../support/scripted-server.ts';

/** What follows the client's password. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  success: async (connection) => {
    connection.send(WELCOME);
    await connection.serve();
  },
  'a wrong password': async (connection) => {
    connection.send(fatal('28P01', 'password authentication failed'));
    connection.end();
  },
  'another request': async (connection) => connection.send(CLEARTEXT_PASSWORD),
  'a request that cannot be passed': async (connection) => connection.send(authentication(7)),
  nonsense: async (connection) => connection.send(message('?', 'what')),
  'a close': async (connection) => connection.end(),
  'a reset': async (connection) => connection.reset(),
};

/** What a client can make of its password. */
const ANSWERS: Readonly<Record<string, (password: string) => Buffer>> = {
  'the password': (password) => message('p', `${password}\0`),
  'the password without its end': (password) => message('p', password),
  'the password under another type': (password) => message('Q', `${password}\0`),
  'the password with no type at all': (password) => Buffer.from(`${password}\0`),
  'the password in a message that is too long': (password) => message('p', password, Buffer.alloc(65_536)),
};

test("the client's own password is in no log line and no answer, whatever goes wrong", async () => {
  const password = randomBytes(30).toString('base64url');
  await using attack = await startPassing();
  let heard = '';
  for (const then of Object.values(SCRIPTS)) {
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      await connection.askForToken();
      await then(connection);
    };
    for (const answer of Object.values(ANSWERS)) {
      const client = new RawClient(attack.proxy.port).send(STARTUP, answer(password), message('X'));
      client.socket.end();
      heard += (await client.end()).toString('latin1');
    }
  }
  await attack.proxy.idle();
  assert.ok(attack.server.passwords.includes(password), 'the password was never in play');
  assertKept(password, heard, 'what clients hear');
  assertKept(password, attack.proxy.log.text, 'the log');
  await assertUnharmed(attack);
});
