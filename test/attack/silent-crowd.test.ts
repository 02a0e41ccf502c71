import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** How many; handshakes and proofs take their time. */
const CROWDS = { TCP: 1_000, 'Unix socket': 500, TLS: 100, SCRAM: 0, asked: 400 };

onEachEntrance(
  (start, name) => {
    test('a client logs in while a crowd says nothing more, and when they have gone', async () => {
      await using attack = await start();
      const crowd = await Promise.all(Array.from({ length: CROWDS[name] }, () => attack.connect()));
      await until('the crowd', () => attack.proxy.deps.registry.connectionCount === crowd.length);
      await using fresh = await attack.connectPg();
      await fresh.client.query('select 1');
      await fresh[Symbol.asyncDispose]();
      for (const [index, client] of crowd.entries()) {
        if (index % 2 === 0) client.socket.end();
        else client.reset();
      }
      await attack.assertUnharmed();
    });

    test('a crowd that says nothing more is told 57P05, every one of it', async () => {
      await using attack = await start({ loginTimeoutMs: 1_000 });
      const crowd = await Promise.all(Array.from({ length: CROWDS[name] / 5 }, () => attack.connect()));
      const errors = await Promise.all(crowd.map(async (client) => onlyError(await client.end())));
      for (const { code } of errors) assert.equal(code, '57P05');
      await attack.assertUnharmed();
    });
  },
  { SCRAM: 'as TCP, until it is asked' },
);

onEachEntrance(
  (start) => {
    test('a crowd of more than twice the cap is told 53300', async () => {
      await using attack = await start({ maxSessions: 50 });
      const crowd = await Promise.all(Array.from({ length: 120 }, () => attack.connect()));
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
  },
  { TLS: 'it is told before it can have TLS', SCRAM: 'as TCP', asked: 'it is told before it is asked' },
);
