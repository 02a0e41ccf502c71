import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { SecureContextOptions } from 'node:tls';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startAttack } from '../support/after-attack.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { welcome } from '../support/scripted-server.ts';

const DAY_MS = 86_400_000;

let trusted: Authority;

before(async () => {
  trusted = await createCertificateAuthority('trusted');
});

interface Impostor {
  readonly what: string;
  readonly tls: () => Promise<SecureContextOptions>;
  readonly says: RegExp;
  readonly hint: RegExp;
}

async function issue(
  authority: Authority,
  request: Parameters<Authority['issue']>[0],
): Promise<SecureContextOptions> {
  const { certPem, keyPem } = await authority.issue(request);
  return { cert: certPem, key: keyPem };
}

const IMPOSTORS: readonly Impostor[] = [
  {
    what: 'for another name',
    tls: () => issue(trusted, { dnsNames: ['example.com'] }),
    says: /not for "test\.postgres\.database\.azure\.com"/,
    hint: /It is for DNS:example\.com\. Check --server-name/,
  },
  {
    what: 'for another Azure server',
    tls: () => issue(trusted, { dnsNames: ['mallory.postgres.database.azure.com'] }),
    says: /not for "test\.postgres\.database\.azure\.com"/,
    hint: /It is for DNS:mallory\.postgres\.database\.azure\.com\. Check --server-name/,
  },
  {
    what: 'for our name in its subject only',
    tls: () => issue(trusted, { commonName: SERVER_NAME, dnsNames: ['mallory.example'] }),
    says: /not for "test\.postgres\.database\.azure\.com"/,
    hint: /--server-name/,
  },
  {
    what: 'for the address that was dialled',
    tls: () => issue(trusted, { ipAddresses: ['127.0.0.1'], dnsNames: ['localhost'] }),
    says: /not for "test\.postgres\.database\.azure\.com"/,
    hint: /--server-name/,
  },
  {
    what: 'for a wildcard one level too high',
    tls: () => issue(trusted, { dnsNames: ['*.database.azure.com'] }),
    says: /not for "test\.postgres\.database\.azure\.com"/,
    hint: /--server-name/,
  },
  {
    what: 'from an unknown authority',
    tls: async () => issue(await createCertificateAuthority('unknown'), { dnsNames: [SERVER_NAME] }),
    says: /not come from a trusted root/,
    hint: /--ca/,
  },
  {
    what: 'from an authority that only bears the trusted name',
    tls: async () => issue(await createCertificateAuthority('trusted'), { dnsNames: [SERVER_NAME] }),
    says: /not come from a trusted root|TLS with the server failed/,
    hint: /--ca/,
  },
  {
    what: 'that has expired',
    tls: () => issue(trusted, { dnsNames: [SERVER_NAME], notAfter: new Date(Date.now() - DAY_MS) }),
    says: /has expired/,
    hint: /clock.*--ca/,
  },
  {
    what: 'that is not valid yet',
    tls: () => issue(trusted, { dnsNames: [SERVER_NAME], notBefore: new Date(Date.now() + DAY_MS) }),
    says: /not valid yet/,
    hint: /clock.*--ca/,
  },
];

for (const { what, tls, says, hint } of IMPOSTORS) {
  test(`a certificate ${what} is refused with 08001, and the token stays`, async () => {
    await using attack = await startAttack({ authority: trusted });
    attack.server.script = welcome;
    attack.server.tls = await tls();
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08001');
    assert.match(error.message, says);
    assert.match(error.hint ?? '', hint);
    await attack.assertUnharmed();
    const [refused] = attack.server.connections;
    assert.equal(refused?.secured, false);
    assert.deepEqual(refused?.passwords, []);
  });
}

test('a self-signed certificate is refused with 08001, and the token stays', async () => {
  await using attack = await startAttack({ authority: trusted });
  const { selfSigned } = await import('../support/self-signed.ts');
  attack.server.tls = await selfSigned(SERVER_NAME);
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08001');
  assert.match(error.message, /DEPTH_ZERO_SELF_SIGNED_CERT/);
  assert.match(error.hint ?? '', /--ca/);
  await attack.assertUnharmed();
  assert.equal(attack.server.connections[0]?.secured, false);
  assert.deepEqual(attack.server.connections[0]?.passwords, []);
});
