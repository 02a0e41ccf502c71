import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';

test('certificates are verified even where NODE_TLS_REJECT_UNAUTHORIZED=0 is set', async () => {
  await using attack = await startAttack();
  await using files = await createTestFiles();
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
  await using program = await startListening(await attackArguments(attack, files), env);
  const goodTls = attack.server.tls;
  const unknown = await createCertificateAuthority('unknown');
  for (const dnsName of [SERVER_NAME, 'mallory.example']) {
    // oxlint-disable-next-line no-await-in-loop -- one login after the other
    const { certPem, keyPem } = await unknown.issue({ dnsNames: [dnsName] });
    attack.server.tls = { cert: certPem, key: keyPem };
    // oxlint-disable-next-line no-await-in-loop -- one login after the other
    const error = await refusedLogin(program.port);
    assert.equal(error.code, '08001');
    assert.match(error.hint ?? '', /--ca|--server-name/);
  }
  assert.deepEqual(attack.server.passwords, []);
  attack.assertTokenKept();
  attack.server.tls = goodTls;
  await using good = await connectPg(program.port);
  await good.client.query('select 1');
  assert.deepEqual(attack.server.passwords, [attack.token]);
});
