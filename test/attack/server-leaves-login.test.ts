import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLEARTEXT_PASSWORD, notice } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
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

onEachEntrance(
  (start) => {
    for (const [when, script] of Object.entries(STEPS)) {
      for (const how of ['end', 'destroy', 'reset'] as const) {
        test(`a server that leaves ${when} (${how}) is 08006`, async () => {
          await using attack = await start();
          attack.server.script = async (connection) => {
            await script(connection);
            connection[how]();
          };
          const error = await attack.refusedLogin();
          assert.equal(error.code, '08006');
          assert.match(error.message, /during the login/);
          assert.match(error.hint ?? '', /try again/);
          await attack.assertUnharmed();
        });
      }
    }

    for (const how of ['end', 'destroy', 'reset'] as const) {
      test(`a server that leaves instead of shaking hands (${how}) is 08001`, async () => {
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.readSslRequest();
          await connection.flush(Buffer.from('S'));
          await connection.hasUnread();
          connection[how]();
        };
        const error = await attack.refusedLogin();
        assert.equal(error.code, '08001');
        assert.match(error.message, /TLS with the server failed/);
        assert.match(error.hint ?? '', /--upstream-address/);
        attack.assertTokenKept();
        await attack.assertUnharmed();
      });
    }
  },
  {
    'Unix socket': 'what is written, and how, is as over TCP',
    SCRAM: 'the same',
    asked: 'there is no server yet',
  },
);
