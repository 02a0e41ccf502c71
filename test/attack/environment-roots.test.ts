import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { createTestFiles } from '../support/files.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';

for (const roots of ['bundled', 'system']) {
  test(`what NODE_EXTRA_CA_CERTS names vouches for no server (--ca ${roots})`, async () => {
    await using attack = await startAttack();
    await using files = await createTestFiles();
    const args = await attackArguments(attack, files);
    const ca = args[args.indexOf('--ca') + 1] ?? '';
    const env = { NODE_EXTRA_CA_CERTS: ca };
    await using program = await startListening(
      args.map((arg) => (arg === ca ? roots : arg)),
      env,
    );
    const { code, hint } = await refusedLogin(program.port);
    assert.equal(code, '08001');
    assert.ok(hint?.includes(`--ca is "${roots}"`), hint);
    assert.deepEqual(attack.server.passwords, []);
    attack.assertTokenKept();
    await using trusting = await startListening(args, env);
    await using good = await connectPg(trusting.port);
    await good.client.query('select 1');
  });
}
