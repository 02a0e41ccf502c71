import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { authentication } from '../support/messages.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const METHODS: readonly { code: number; data?: string; name: RegExp }[] = [
  { code: 2, name: /Kerberos V5/ },
  { code: 5, data: 'salt', name: /MD5/ },
  { code: 6, name: /SCM/ },
  { code: 7, name: /GSSAPI/ },
  { code: 9, name: /SSPI/ },
  { code: 10, data: 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0', name: /SCRAM/ },
  { code: 99, name: /code 99/ },
];

for (const { code, data = '', name } of METHODS) {
  test(`authentication request ${code} (${name.source}) is 28000, and the token stays`, async () => {
    await using attack = await startAttack();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(authentication(code, data));
      await connection.untilGone();
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '28000');
    assert.match(error.message, name);
    assert.ok(error.message.includes(`"${TEST_ROLE}"`));
    assert.match(error.hint ?? '', /pgaadauth_create_principal.*--user/);
    await attack.assertUnharmed();
    assert.deepEqual(attack.server.connections[0]?.passwords, []);
    assert.equal(attack.server.connections[0]?.unread.length, 0);
  });
}

test('a request for SCRAM behind a taken token is 28000', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.send(authentication(10, 'SCRAM-SHA-256\0\0'));
    await connection.untilGone();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '28000');
  await attack.assertUnharmed();
});
