import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseOpenToAll } from '../../../src/commands/local-side.ts';
import { loadConfig, type RawFlags } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/settings.ts';
import type { Listener } from '../../../src/proxy/listener.ts';

const OPEN: Listener = { kind: 'tcp', address: '0.0.0.0', port: 6432, reach: 'network' };

function settings(flags: RawFlags): Settings {
  const [server] = loadConfig(['myserver'], flags, {}).servers;
  return server?.settings ?? assert.fail('no server');
}

test('an inherited socket that other machines can reach needs what an address would need', () => {
  const guarded = {
    address: '10.0.0.1',
    'allow-remote-clients': true,
    'local-auth': 'scram-sha-256',
    'local-users-file': 'users',
  };
  assert.throws(() => refuseOpenToAll(OPEN, settings({})), {
    name: 'StartError',
    message: /other machines can reach 0\.0\.0\.0:6432.*--allow-remote-clients, --local-auth/,
  });
  assert.doesNotThrow(() => refuseOpenToAll(OPEN, settings(guarded)));
  const { 'allow-remote-clients': _, address: _address, ...unasked } = guarded;
  assert.throws(() => refuseOpenToAll(OPEN, settings(unasked)));
});

test('a socket that only this machine can reach needs nothing', () => {
  for (const reach of ['user', 'machine'] as const) {
    assert.doesNotThrow(() => refuseOpenToAll({ ...OPEN, reach }, settings({})));
  }
});
