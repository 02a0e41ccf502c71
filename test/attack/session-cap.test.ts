import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { onlyError, RawClient, refusedLogin } from '../support/raw-client.ts';

test('a session over the cap is 53300, and the others go on', async () => {
  await using attack = await startAttack({ maxSessions: 2 });
  await using first = await connectPg(attack.proxy.port);
  await using second = await connectPg(attack.proxy.port);
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '53300');
  assert.match(error.hint ?? '', /--max-sessions/);
  await first.client.query('select 1');
  await second.client.query('select 1');
  assert.equal(attack.server.connections.length, 2);
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  await attack.assertUnharmed();
});

test('a hundred logins at once at a cap of ten: each is served or told 53300', async () => {
  await using attack = await startAttack({ maxSessions: 10 });
  const clients = Array.from({ length: 100 }, () => new RawClient(attack.proxy.port).send(STARTUP));
  const answers = await Promise.all(clients.map((client) => client.hear(1)));
  const served = clients.filter((_, index) => answers[index]?.toString() === 'R');
  const refused = clients.filter((_, index) => answers[index]?.toString() === 'E');
  assert.equal(served.length, 10);
  assert.equal(refused.length, 90);
  for (const client of refused) {
    // oxlint-disable-next-line no-await-in-loop -- all have come already
    assert.equal((await onlyError(await client.end())).code, '53300');
  }
  for (const client of served) {
    // oxlint-disable-next-line no-await-in-loop -- all have come already
    await client.hear(WELCOME.length);
    client.socket.end();
  }
  await attack.assertUnharmed();
});
