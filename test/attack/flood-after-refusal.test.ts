import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { int32, STARTUP } from '../support/messages.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';

const FLOOD = Buffer.alloc(16_000_000, 'x');

test('a client that floods the proxy after a refusal still reads the refusal', async () => {
  await using attack = await startAttack();
  const client = new RawClient(attack.proxy.port).send(int32(3), FLOOD);
  const error = await onlyError(await client.end());
  assert.equal(error.code, '08P01');
  await attack.assertUnharmed();
});

test("a client that floods the proxy while it logs in still reads the server's refusal", async () => {
  await using attack = await startAttack({ connectTimeoutMs: 300 });
  attack.server.script = (connection) => connection.untilGone();
  const client = new RawClient(attack.proxy.port).send(STARTUP, FLOOD);
  const error = await onlyError(await client.end());
  assert.equal(error.code, '08001');
  await attack.assertUnharmed();
});
