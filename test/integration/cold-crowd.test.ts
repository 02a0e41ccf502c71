import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logInCold } from '../../bench/token-figures.ts';
import { startTokenStand } from '../../bench/token-stand.ts';
import { until } from '../support/wait.ts';

test('200 sessions that arrive before the first token make one request for it', async () => {
  await using stand = await startTokenStand({ lifetimeSeconds: 3_600 });
  await logInCold(stand, 200);
  assert.equal(stand.entra.requests, 1);
  const sessions = (): number => stand.program.stderr.split('"event":"session"').length - 1;
  await until('an end of every session', () => sessions() === 200);
});
