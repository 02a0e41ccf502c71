import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WELCOME } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import type { ScriptedConnection } from '../support/scripted-server.ts';

const STALLS: Readonly<Record<string, (connection: ScriptedConnection) => Promise<unknown>>> = {
  'before the answer to SSLRequest': (connection) => connection.readSslRequest(),
  'before the handshake': async (connection) => {
    await connection.readSslRequest();
    connection.send(Buffer.from('S'));
    await connection.hasUnread();
  },
  'before the authentication request': (connection) => connection.acceptStartup(),
  'after the token': (connection) => connection.acceptToken(),
};

onEachEntrance(
  (start, name) => {
    // A Unix socket knows no reset: that it is closed, and not half-closed, is only known when it is written to.
    for (const [when, stall] of Object.entries(name === 'Unix socket' ? {} : STALLS)) {
      test(`a client that resets while the server stalls ${when} ends its dial at once`, async () => {
        await using attack = await start({ loginTimeoutMs: 60_000, connectTimeoutMs: 60_000 });
        const stalled = Promise.withResolvers<void>();
        attack.server.script = async (connection) => {
          await stall(connection);
          stalled.resolve();
          await connection.untilGone();
        };
        const client = await attack.logIn();
        await stalled.promise;
        client.reset();
        await attack.assertUnharmed();
      });
    }

    test('a client that half-closes while the server stalls is served when the server comes round', async () => {
      await using attack = await start();
      const stalled = Promise.withResolvers<void>();
      const halfClosed = Promise.withResolvers<void>();
      attack.server.script = async (connection) => {
        await connection.acceptToken();
        stalled.resolve();
        await halfClosed.promise;
        connection.send(WELCOME);
        await connection.serve();
      };
      const client = await attack.logIn();
      await stalled.promise;
      client.socket.end(() => halfClosed.resolve());
      assert.deepEqual(await client.end(), WELCOME);
      await attack.assertUnharmed();
    });
  },
  { asked: 'nothing is dialled yet' },
);
