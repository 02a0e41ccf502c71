import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { STARTUP, WELCOME } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
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

for (const [when, stall] of Object.entries(STALLS)) {
  test(`a client that resets while the server stalls ${when} ends its dial at once`, async () => {
    await using attack = await startAttack({ loginTimeoutMs: 60_000, connectTimeoutMs: 60_000 });
    const stalled = Promise.withResolvers<void>();
    attack.server.script = async (connection) => {
      await stall(connection);
      stalled.resolve();
      await connection.untilGone();
    };
    const client = new RawClient(attack.proxy.port).send(STARTUP);
    await stalled.promise;
    client.socket.resetAndDestroy();
    await attack.assertUnharmed();
  });
}

test('a client that half-closes while the server stalls is served when the server comes round', async () => {
  await using attack = await startAttack();
  const stalled = Promise.withResolvers<void>();
  const halfClosed = Promise.withResolvers<void>();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    stalled.resolve();
    await halfClosed.promise;
    connection.send(WELCOME);
    await connection.serve();
  };
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  await stalled.promise;
  client.socket.end(() => halfClosed.resolve());
  assert.deepEqual(await client.end(), WELCOME);
  await attack.assertUnharmed();
});
