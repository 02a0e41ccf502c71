import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { fatal } from '../support/messages.ts';
import { refusedLogin } from '../support/raw-client.ts';
import type { Script } from '../support/scripted-server.ts';

function answering(answer: Buffer): Script {
  return async (connection) => {
    await connection.readSslRequest();
    connection.send(answer);
    await connection.untilGone();
  };
}

const ANSWERS: readonly { what: string; script: Script; says: RegExp }[] = [
  { what: 'N', script: answering(Buffer.from('N')), says: /does not offer TLS/ },
  { what: 'E', script: answering(Buffer.from('E')), says: /with an error/ },
  { what: 'an ErrorResponse', script: answering(fatal('53300', 'sorry')), says: /with an error/ },
  { what: 'an HTTP response', script: answering(Buffer.from('HTTP/1.1 400\r\n')), says: /not speak Postgre/ },
  { what: 'garbage', script: answering(Buffer.concat([Buffer.of(0), randomBytes(99)])), says: /not speak/ },
  {
    what: 'a close',
    script: async (connection) => {
      await connection.readSslRequest();
      connection.end();
    },
    says: /closed the connection when asked for TLS/,
  },
  {
    what: 'a reset',
    script: async (connection) => {
      await connection.readSslRequest();
      connection.reset();
    },
    says: /closed the connection when asked for TLS/,
  },
];

for (const { what, script, says } of ANSWERS) {
  test(`${what} in answer to SSLRequest is 08001, and nothing more is sent`, async () => {
    await using attack = await startAttack();
    attack.server.script = script;
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08001');
    assert.match(error.message, says);
    assert.match(error.hint ?? '', /--upstream-address and --upstream-port/);
    attack.assertTokenKept();
    await attack.assertUnharmed();
    assert.equal(attack.server.connections[0]?.unread.length, 0);
  });
}
