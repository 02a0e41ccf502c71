import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { CLEARTEXT_PASSWORD, notice } from '../support/messages.ts';
import { refusedLogin } from '../support/raw-client.ts';
import type { Script } from '../support/scripted-server.ts';

const STEPS: Readonly<Record<string, Script>> = {
  'after TLS': (connection) => connection.acceptTls(),
  'after the startup message': async (connection) => {
    await connection.acceptStartup();
  },
  'after a NOTICE': async (connection) => {
    await connection.acceptStartup();
    await connection.flush(notice('so long'));
  },
  'in the middle of a message': async (connection) => {
    await connection.acceptStartup();
    await connection.flush(CLEARTEXT_PASSWORD.subarray(0, 7));
  },
  'after the token': async (connection) => {
    await connection.acceptToken();
  },
};

for (const [when, script] of Object.entries(STEPS)) {
  for (const how of ['end', 'destroy', 'reset'] as const) {
    test(`a server that leaves ${when} (${how}) is 08006`, async () => {
      await using attack = await startAttack();
      attack.server.script = async (connection) => {
        await script(connection);
        connection[how]();
      };
      const error = await refusedLogin(attack.proxy.port);
      assert.equal(error.code, '08006');
      assert.match(error.message, /during the login/);
      assert.match(error.hint ?? '', /try again/);
      await attack.assertUnharmed();
    });
  }
}

for (const how of ['end', 'destroy', 'reset'] as const) {
  test(`a server that leaves instead of shaking hands (${how}) is 08001`, async () => {
    await using attack = await startAttack();
    attack.server.script = async (connection) => {
      await connection.readSslRequest();
      await connection.flush(Buffer.from('S'));
      await connection.hasUnread();
      connection[how]();
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08001');
    assert.match(error.message, /TLS with the server failed/);
    assert.match(error.hint ?? '', /--upstream-address/);
    attack.assertTokenKept();
    await attack.assertUnharmed();
  });
}
