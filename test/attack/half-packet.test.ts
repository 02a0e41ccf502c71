import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int32, message, packet, SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';

const CANCEL = packet(int32(80_877_102), int32(1), int32(2));

const BEGINNINGS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': STARTUP.subarray(0, 1),
  'a length': STARTUP.subarray(0, 4),
  'half a startup message': STARTUP.subarray(0, -1),
  'half an SSLRequest': SSL_REQUEST.subarray(0, 7),
  'an SSLRequest': SSL_REQUEST,
  'half a CancelRequest': CANCEL.subarray(0, -1),
};

const HALF_ANSWER = message('p', 'SCRAM-SHA-256\0', int32(32)).subarray(0, -1);

onEachEntrance(
  (start, name) => {
    const beginnings =
      name === 'asked' ? { nothing: Buffer.alloc(0), 'half an answer': HALF_ANSWER } : BEGINNINGS;
    for (const [what, bytes] of Object.entries(beginnings)) {
      for (const how of ['FIN', 'RST'] as const) {
        test(`a client that sends ${what} and then ${how} leaves nothing behind`, async () => {
          await using attack = await start();
          const client = (await attack.connect()).send(bytes);
          await client.flush();
          if (how === 'FIN') client.socket.end();
          else client.reset();
          await client.end();
          await attack.proxy.idle();
          assert.equal(attack.server.connections.length, 0);
          await attack.assertUnharmed();
        });
      }
    }
  },
  { SCRAM: 'as TCP, until it is asked' },
);
