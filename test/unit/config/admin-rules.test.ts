import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, loadProgramSettings, type RawFlags } from '../../../src/config/load.ts';
import { UsageError } from '../../../src/errors.ts';

function problemsOf(flags: RawFlags): readonly string[] {
  try {
    loadConfig(['myserver'], flags, {});
    return [];
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.problems;
  }
}

test('an admin address that other machines can reach needs --allow-remote-clients, and nothing else', () => {
  const remote = { 'admin-address': '0.0.0.0', 'admin-port': '9090' };
  assert.deepEqual(problemsOf(remote), [
    '--admin-address 0.0.0.0 can be reached by other machines: that needs --allow-remote-clients',
  ]);
  assert.deepEqual(problemsOf({ ...remote, 'allow-remote-clients': true }), []);
  for (const address of ['127.0.0.1', '::1', 'localhost', '127.0.0.2'])
    assert.deepEqual(problemsOf({ ...remote, 'admin-address': address }), []);
});

test('without --admin-port the other admin settings would do nothing', () => {
  assert.deepEqual(problemsOf({ 'admin-quit': true, 'admin-address': '::1' }), [
    '--admin-address does nothing without --admin-port',
    '--admin-quit does nothing without --admin-port',
  ]);
  assert.deepEqual(problemsOf({ 'admin-quit': false, 'admin-address': '127.0.0.1' }), []);
});

test("who only asks a proxy needs nobody's permission for its address", () => {
  const settings = loadProgramSettings({ 'admin-address': '192.0.2.1' }, { PGEP_ADMIN_PORT: '9090' });
  assert.deepEqual([settings['admin-address'], settings['admin-port']], ['192.0.2.1', 9090]);
});
