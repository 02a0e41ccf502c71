import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { int32, packet, SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';

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

for (const [what, bytes] of Object.entries(BEGINNINGS)) {
  for (const how of ['FIN', 'RST'] as const) {
    test(`a client that sends ${what} and then ${how} leaves nothing behind`, async () => {
      await using attack = await startAttack();
      const client = new RawClient(attack.proxy.port).send(bytes);
      await new Promise((resolve) => {
        client.socket.write(Buffer.alloc(0), resolve);
      });
      if (how === 'FIN') client.socket.end();
      else client.socket.resetAndDestroy();
      await client.end();
      await attack.proxy.idle();
      assert.equal(attack.server.connections.length, 0);
      await attack.assertUnharmed();
    });
  }
}
