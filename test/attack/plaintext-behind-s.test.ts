import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { AUTHENTICATION_OK, CLEARTEXT_PASSWORD } from '../support/messages.ts';
import { refusedLogin } from '../support/raw-client.ts';

for (const injected of [Buffer.from('x'), CLEARTEXT_PASSWORD, AUTHENTICATION_OK]) {
  test(`${injected.length} bytes in the clear behind S are 08001, and no ClientHello follows`, async () => {
    await using attack = await startAttack();
    attack.server.script = async (connection) => {
      await connection.readSslRequest();
      connection.send(Buffer.from('S'), injected);
      await connection.untilGone();
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08001');
    assert.match(error.message, /plaintext/);
    assert.match(error.hint ?? '', /CVE-2021-23222.*--upstream-address/);
    attack.assertTokenKept();
    await attack.assertUnharmed();
    assert.equal(attack.server.connections[0]?.unread.length, 0);
  });
}

test('bytes in the clear a moment after S break the handshake', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.readSslRequest();
    await connection.flush(Buffer.from('S'));
    await connection.hasUnread();
    connection.send(CLEARTEXT_PASSWORD);
    await connection.untilGone();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08001');
  attack.assertTokenKept();
  await attack.assertUnharmed();
});
