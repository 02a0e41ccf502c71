import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../../bench/token-soak.ts';

/** Tokens that outlive the test, each asked for anew after a second: no login has an excuse. */
const TOKENS = { lifetimeSeconds: 120, refreshInSeconds: 1 };

test('no login fails while the token endpoint breaks in one way after the other', async (t) => {
  const { failures, logins, excusedFailures, faults, tokens, hasEnded } = await soak({
    durationMs: 8_000,
    scale: 0.1,
    ...TOKENS,
  });
  t.diagnostic(`${logins} logins, ${tokens} tokens, ${JSON.stringify(faults)}`);
  assert.deepEqual(failures, []);
  assert.deepEqual({ excusedFailures, hasEnded }, { excusedFailures: 0, hasEnded: false });
  assert.ok(logins > 10 && Object.keys(faults).length > 1);
});
