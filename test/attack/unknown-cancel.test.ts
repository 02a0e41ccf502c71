import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { int32, packet } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';

onEachEntrance(
  (start) => {
    for (const keyLength of [4, 32, 256]) {
      test(`a CancelRequest with an unknown key of ${keyLength} bytes is passed on and answered by a close`, async () => {
        const request = packet(int32(80_877_102), int32(1), randomBytes(keyLength));
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptTls();
          await connection.hasUnread();
          connection.end();
        };
        const client = await attack.connect();
        const heard = await client.send(request).end();
        assert.equal(heard.length, 0);
        await attack.proxy.idle();
        assert.deepEqual(attack.server.connections[0]?.heard.subarray(-request.length), request);
        attack.assertTokenKept();
        await attack.assertUnharmed();
      });
    }

    test('a crowd of CancelRequests that the server never answers leaves nothing behind', async () => {
      await using attack = await start();
      attack.server.script = async (connection) => {
        await connection.acceptTls();
        await connection.untilGone();
        connection.end();
      };
      const clients = Array.from({ length: 50 }, async () => {
        const client = await attack.connect();
        client.send(packet(int32(80_877_102), int32(1), randomBytes(4))).socket.end();
        return client.end();
      });
      for (const heard of await Promise.all(clients)) assert.equal(heard.length, 0);
      attack.assertTokenKept();
      await attack.assertUnharmed();
    });

    test('a CancelRequest for a server that is not there is answered by a close', async () => {
      await using attack = await start({ connectTimeoutMs: 300 });
      attack.server.script = (connection) => connection.untilGone();
      const request = packet(int32(80_877_102), int32(1), int32(2));
      const client = await attack.connect();
      const heard = await client.send(request).end();
      assert.equal(heard.length, 0);
      await attack.assertUnharmed();
    });
  },
  { asked: 'a CancelRequest is not asked for a password' },
);
