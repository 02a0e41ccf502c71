import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTHENTICATION_OK, fatal, message, WELCOME } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError } from '../support/raw-client.ts';

onEachEntrance(
  (start) => {
    test('a client that half-closes behind its startup message ends its session on the server too', async () => {
      await using attack = await start();
      const client = await attack.logIn();
      client.socket.end();
      assert.deepEqual(await client.end(), WELCOME);
      await attack.assertUnharmed();
    });

    test('a client that half-closes behind its startup message still gets a refusal', async () => {
      const refusal = fatal('28000', 'no');
      await using attack = await start();
      attack.server.script = async (connection) => {
        await connection.acceptToken();
        connection.send(refusal);
        connection.end();
      };
      const client = await attack.logIn();
      client.socket.end();
      assert.deepEqual(await client.end(), refusal);
      await attack.assertUnharmed();
    });

    test('what a client sent behind its startup message, and its half-close, reach the server', async () => {
      const query = message('Q', 'select 1\0');
      await using attack = await start();
      const client = await attack.logIn(query);
      client.socket.end();
      const heard = await client.end();
      assert.ok(heard.length > WELCOME.length, 'no answer');
      await attack.assertUnharmed();
    });

    for (const how of ['end', 'destroy', 'reset'] as const) {
      test(`a server that leaves right behind AuthenticationOk (${how}) is a FATAL 08006`, async () => {
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptToken();
          await connection.flush(AUTHENTICATION_OK);
          connection[how]();
        };
        const heard = await (await attack.logIn()).end();
        const error = await onlyError(heard.subarray(heard.indexOf('E')));
        assert.equal(error.code, '08006');
        await attack.assertUnharmed();
      });
    }
  },
  { asked: 'a client that half-closes when it is asked has left: see half-packet.test.ts' },
);
