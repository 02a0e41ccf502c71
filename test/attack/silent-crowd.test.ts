import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { connectPg } from '../support/proxy.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

test('a client logs in while a thousand others say nothing, and when they have gone', async () => {
  await using attack = await startAttack();
  const crowd = Array.from({ length: 1_000 }, () => new RawClient(attack.proxy.port));
  await until('the crowd', () => attack.proxy.deps.registry.connectionCount === crowd.length);
  await using fresh = await connectPg(attack.proxy.port);
  await fresh.client.query('select 1');
  await fresh[Symbol.asyncDispose]();
  for (const [index, { socket }] of crowd.entries()) {
    if (index % 2 === 0) socket.end();
    else socket.resetAndDestroy();
  }
  await attack.assertUnharmed();
});

test('a crowd that says nothing is told 57P05, every one of it', async () => {
  await using attack = await startAttack({ loginTimeoutMs: 1_000 });
  const crowd = Array.from({ length: 200 }, () => new RawClient(attack.proxy.port));
  const errors = await Promise.all(crowd.map(async (client) => onlyError(await client.end())));
  for (const { code } of errors) assert.equal(code, '57P05');
  await attack.assertUnharmed();
});

test('a crowd of more than twice the cap is told 53300', async () => {
  await using attack = await startAttack({ maxSessions: 50 });
  const crowd = Array.from({ length: 120 }, () => new RawClient(attack.proxy.port));
  await until('the refusals', () => crowd.filter(({ ended }) => ended).length === 20);
  for (const client of crowd.filter(({ ended }) => ended)) {
    // oxlint-disable-next-line no-await-in-loop -- all have come already
    const error = await onlyError(await client.end());
    assert.equal(error.code, '53300');
    assert.match(error.hint ?? '', /--max-sessions/);
  }
  for (const { socket } of crowd) socket.destroy();
  await attack.assertUnharmed();
});
