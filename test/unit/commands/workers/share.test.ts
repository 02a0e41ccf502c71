import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareOf } from '../../../../src/commands/workers/share.ts';
import { loadConfig } from '../../../../src/config/load.ts';

test('logins and warm connections are divided among the workers, rounded up; sessions are not', () => {
  const config = loadConfig(['one', 'two?max-logins=1'], { 'max-logins': '10', warm: '4' }, {});
  const shared = shareOf(config, 3);
  assert.deepEqual(
    shared.servers.map(({ settings }) => [settings['max-logins'], settings.warm, settings['max-sessions']]),
    [
      [4, 2, 1000],
      [1, 2, 1000],
    ],
  );
  assert.deepEqual(
    config.servers.map(({ settings }) => settings['max-logins']),
    [10, 1],
  );
});

test('no warm connections are none for each worker', () => {
  const config = loadConfig(['one'], { warm: '0' }, {});
  assert.equal(shareOf(config, 2).servers[0]?.settings.warm, 0);
});

test('a configuration crosses to another process as it is', () => {
  const config = loadConfig(['one', 'two'], { pin: `sha256/${'A'.repeat(43)}=` }, {});
  assert.deepEqual(structuredClone(config), config);
});
