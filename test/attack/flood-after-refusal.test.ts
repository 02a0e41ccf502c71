import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int32 } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError } from '../support/raw-client.ts';

const FLOOD = Buffer.alloc(16_000_000, 'x');

onEachEntrance((start, name) => {
  test('a client that floods the proxy after a refusal still reads the refusal', async () => {
    await using attack = await start();
    const client = (await attack.connect()).send(int32(3), FLOOD);
    const error = await onlyError(await client.end());
    assert.equal(error.code, '08P01');
    await attack.assertUnharmed();
  });

  // Who has given no answer yet is not in a login.
  if (name === 'asked') return;

  test("a client that floods the proxy while it logs in still reads the server's refusal", async () => {
    await using attack = await start({ connectTimeoutMs: 300 });
    attack.server.script = (connection) => connection.untilGone();
    const client = await attack.logIn(FLOOD);
    const error = await onlyError(await client.end());
    assert.equal(error.code, '08001');
    await attack.assertUnharmed();
  });
});
