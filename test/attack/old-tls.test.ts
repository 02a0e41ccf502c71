import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { refusedLogin } from '../support/raw-client.ts';

for (const version of ['TLSv1', 'TLSv1.1'] as const) {
  test(`a server that speaks nothing newer than ${version} is refused with 08001`, async () => {
    await using attack = await startAttack();
    attack.server.tls = {
      ...attack.server.tls,
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08001');
    assert.match(error.message, /no TLS version in common/);
    assert.match(error.hint ?? '', /--tls-min/);
    await attack.assertUnharmed();
    assert.equal(attack.server.connections[0]?.secured, false);
  });
}
