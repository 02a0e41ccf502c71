import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fatal, message, WELCOME } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError } from '../support/raw-client.ts';

const QUERY = message('Q', 'select 1\0');

onEachEntrance(
  (start) => {
    for (const how of ['end', 'destroy', 'reset'] as const) {
      test(`a server that leaves an idle session (${how}) is a FATAL 08006`, async () => {
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptToken();
          await connection.flush(WELCOME);
          await connection.readMessage();
          connection[how]();
        };
        const client = await attack.logIn();
        await client.hear(WELCOME.length);
        const all = await client.send(QUERY).end();
        const error = await onlyError(all.subarray(WELCOME.length));
        assert.equal(error.severity, 'FATAL');
        assert.equal(error.code, '08006');
        assert.match(error.hint ?? '', /connect again/);
        await attack.assertUnharmed();
      });

      test(`a server that leaves without an answer (${how}) is a FATAL 08006, also when the client has said Terminate`, async () => {
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptToken();
          await connection.flush(WELCOME);
          await connection.readMessage();
          await connection.readMessage();
          connection[how]();
        };
        const client = await attack.logIn();
        await client.hear(WELCOME.length);
        const all = await client.send(QUERY, message('X')).end();
        assert.equal((await onlyError(all.subarray(WELCOME.length))).code, '08006');
        await attack.assertUnharmed();
      });

      test(`a server that leaves in the middle of a message (${how}) is a plain close`, async () => {
        const half = message('D', Buffer.alloc(1_000)).subarray(0, 500);
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptToken();
          connection.send(WELCOME);
          await connection.readMessage();
          await connection.flush(half);
          await connection.hasUnread();
          connection[how]();
        };
        const client = await attack.logIn();
        await client.hear(WELCOME.length);
        client.send(QUERY);
        await client.hear(WELCOME.length + half.length);
        client.send(QUERY);
        assert.deepEqual(await client.end(), Buffer.concat([WELCOME, half]));
        await attack.assertUnharmed();
      });

      test(`a server that says FATAL and leaves (${how}) has said all there is to say`, async () => {
        const bye = fatal('57P01', 'terminating connection due to administrator command');
        await using attack = await start();
        attack.server.script = async (connection) => {
          await connection.acceptToken();
          connection.send(WELCOME);
          await connection.readMessage();
          await connection.flush(bye);
          await connection.hasUnread();
          connection[how]();
        };
        const client = await attack.logIn();
        await client.hear(WELCOME.length);
        client.send(QUERY);
        await client.hear(WELCOME.length + bye.length);
        client.send(QUERY);
        assert.deepEqual(await client.end(), Buffer.concat([WELCOME, bye]));
        await attack.assertUnharmed();
      });
    }

    test('a server whose messages make no sense after the login is relayed as it is', async () => {
      const nonsense = Buffer.concat([Buffer.from('D'), Buffer.of(0, 0, 0, 1), Buffer.from('nonsense')]);
      await using attack = await start();
      attack.server.script = async (connection) => {
        await connection.acceptToken();
        await connection.flush(WELCOME, nonsense);
        connection.end();
      };
      const client = await attack.logIn();
      assert.deepEqual(await client.end(), Buffer.concat([WELCOME, nonsense]));
      await attack.assertUnharmed();
    });
  },
  { SCRAM: 'as TCP, once it is in', asked: 'there is no server yet' },
);
