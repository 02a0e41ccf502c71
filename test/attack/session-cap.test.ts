import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STARTUP, WELCOME } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError } from '../support/raw-client.ts';

onEachEntrance(
  (start, name) => {
    // More than twice the cap are refused before they can have TLS.
    const cap = name === 'TLS' ? 50 : 10;

    test('a session over the cap is 53300, and the others go on', async () => {
      await using attack = await start({ maxSessions: 2 });
      await using first = await attack.connectPg();
      await using second = await attack.connectPg();
      const error = await attack.refusedLogin();
      assert.equal(error.code, '53300');
      assert.match(error.hint ?? '', /--max-sessions/);
      await first.client.query('select 1');
      await second.client.query('select 1');
      assert.equal(attack.server.connections.length, 2);
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      await attack.assertUnharmed();
    });

    test(`a hundred logins at once at a cap of ${cap}: each is served or told 53300`, async () => {
      await using attack = await start({ maxSessions: cap });
      const clients = await Promise.all(Array.from({ length: 100 }, () => attack.connect()));
      for (const client of clients) client.send(STARTUP);
      const answers = await Promise.all(clients.map((client) => client.hear(1)));
      const served = clients.filter((_, index) => answers[index]?.toString() === 'R');
      const refused = clients.filter((_, index) => answers[index]?.toString() === 'E');
      assert.equal(served.length, cap);
      assert.equal(refused.length, 100 - cap);
      for (const client of refused) {
        // oxlint-disable-next-line no-await-in-loop -- all have come already
        assert.equal((await onlyError(await client.end())).code, '53300');
      }
      for (const client of served) {
        // oxlint-disable-next-line no-await-in-loop -- all have come already
        await attack.authenticate(client);
        // oxlint-disable-next-line no-await-in-loop -- the same
        await client.hear(WELCOME.length);
        client.socket.end();
      }
      await attack.assertUnharmed();
    });
  },
  { asked: 'who is asked has a session, as with SCRAM' },
);
