import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startEntra } from '../../src/demo/entra.ts';
import { assertKept } from '../support/canary.ts';
import { createTestFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';
import { createTestToken } from '../support/tokens.ts';

const HOUR_S = 3_600;
const NOW_S = Math.floor(Date.now() / 1000);

/** Tokens that the command has something different to say of. */
const CANARIES: Readonly<Record<string, () => string>> = {
  'a JWT': () => createTestToken(),
  'a JWT without a name': () => createTestToken({ upn: undefined, idtyp: 'app' }),
  'a JWT for something else': () => createTestToken({ aud: 'https://management.azure.com' }),
  'an expired JWT': () => createTestToken({ exp: NOW_S - HOUR_S }),
  'an opaque token': () => randomBytes(300).toString('base64url'),
  'a token that is too long': () => randomBytes(60_000).toString('base64url'),
  'two tokens': () => `${createTestToken()} ${createTestToken()}`,
};

const LOUD = ['--log-level', 'trace'];

for (const [kind, create] of Object.entries(CANARIES)) {
  test(`token lets out nothing of ${kind}, at its most talkative, whatever becomes of it`, async () => {
    const token = create();
    await using files = await createTestFiles();
    const path = await files.write('token', token);
    const script = await files.write('token.sh', `cat ${path}; echo "using $(cat ${path})" >&2; exit $1`);
    const ways = [
      ['--token-file', path],
      ['--token-command', `sh ${script} 0`, '--json'],
      ['--token-command', `sh ${script} 1`],
    ];
    const runs = ways.map(async ([flag = '', ...value]) => {
      const args = ['token', '--credential', flag.slice(2), flag, ...value, ...LOUD];
      const { stdout, stderr } = await runProgram(args, { AZURE_LOG_LEVEL: 'verbose' });
      assert.notEqual(stdout + stderr, '');
      for (const one of token.split(' ')) assertKept(one, stdout + stderr, `the output with ${flag}`);
    });
    await Promise.all(runs);
  });
}

test('token lets out nothing of what Entra hands over, nor the secret, even with AZURE_LOG_LEVEL=verbose', async () => {
  const secret = randomBytes(30).toString('base64url');
  const tenantId = '11111111-2222-4333-8444-555555555555';
  const clientId = '66666666-7777-4888-9999-aaaaaaaaaaaa';
  const minted: string[] = [];
  await using files = await createTestFiles();
  const authority = await createCertificateAuthority('a stand-in for Entra');
  await using entra = await startEntra({
    ...(await authority.issue({ ipAddresses: ['127.0.0.1'] })),
    tenantId,
    clientId,
    clientSecret: secret,
    lifetimeSeconds: HOUR_S,
    onMint: async (token) => void minted.push(token),
  });
  const env = {
    NODE_EXTRA_CA_CERTS: await files.write('entra-ca.pem', authority.certPem),
    AZURE_LOG_LEVEL: 'verbose',
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: clientId,
    AZURE_CLIENT_SECRET: secret,
  };
  const flags = ['--authority-host', entra.authorityHost, '--disable-instance-discovery', ...LOUD];
  for (const credential of ['environment', 'client-secret', 'default']) {
    const { code, stdout, stderr } = await runProgram(['token', '--credential', credential, ...flags], env);
    assert.equal(code, 0, stderr);
    const output = stdout + stderr;
    const [token] = minted.splice(0);
    assert.ok(token !== undefined, 'no token was minted');
    assertKept(token, output, 'the output');
    assertKept(secret, output, 'the output');
  }
});
