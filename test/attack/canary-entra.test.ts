import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startEntra } from '../../src/demo/entra.ts';
import { attackArguments, startAttack } from '../support/after-attack.ts';
import { assertKept } from '../support/canary.ts';
import { createTestFiles } from '../support/files.ts';
import { STARTUP } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';

const TENANT_ID = '11111111-2222-4333-8444-555555555555';
const CLIENT_ID = '66666666-7777-4888-9999-aaaaaaaaaaaa';

/** Answers that carry a token without being one that can be used. */
const ANSWERS: Readonly<Record<string, (token: string, response: ServerResponse) => void>> = {
  'an error that quotes it': (token, response) => {
    const text = `AADSTS50013: Assertion failed signature validation. [Assertion: ${token}, please check.]`;
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: 'invalid_client', error_description: text, error_codes: [50_013] }));
  },
  'an error page that quotes it': (token, response) => {
    response.writeHead(400, { 'content-type': 'text/html' });
    response.end(`<html><body>No: ${token}</body></html>`);
  },
  'it in JSON that is cut off': (token, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"token_type":"Bearer","expires_in":3600,"access_token":"${token}"`);
  },
};

const CASES = Object.entries(ANSWERS).flatMap(([what, answer]) =>
  [{}, { AZURE_LOG_LEVEL: 'verbose' }].map((env) => ({ what, answer, env })),
);

for (const { what, answer, env } of CASES) {
  const loud = 'AZURE_LOG_LEVEL' in env ? ', even with AZURE_LOG_LEVEL=verbose' : '';
  test(`no token and no client secret comes out when the token endpoint answers with ${what}${loud}`, async () => {
    const token = createTestToken();
    const secret = randomBytes(30).toString('base64url');
    const authority = await createCertificateAuthority('a stand-in for Entra');
    const certificate = await authority.issue({ ipAddresses: ['127.0.0.1'] });
    await using entra = await startEntra({ ...certificate, tenantId: TENANT_ID, lifetimeSeconds: 3_600 });
    entra.behave = (request, response) => {
      if (request.method !== 'POST') return 'normal';
      answer(token, response);
      return 'handled';
    };
    await using attack = await startAttack({ token });
    await using files = await createTestFiles();
    const upstream = (await attackArguments(attack, files)).slice(0, -4);
    const identity = ['--credential', 'environment', '--authority-host', entra.authorityHost];
    await using program = await startListening(
      [...upstream, ...identity, '--disable-instance-discovery', '--user', TEST_ROLE, '--log-level', 'trace'],
      {
        AZURE_TENANT_ID: TENANT_ID,
        AZURE_CLIENT_ID: CLIENT_ID,
        AZURE_CLIENT_SECRET: secret,
        ...env,
        NODE_EXTRA_CA_CERTS: await files.write('entra-ca.pem', authority.certPem),
      },
    );
    const heard = (await new RawClient(program.port).send(STARTUP).end()).toString('latin1');
    assert.match(heard, /^E[^]*C(?:28000|57P03)\0/);
    await program.find('token-failed');
    program.child.kill('SIGTERM');
    await program.exit;
    assert.ok(entra.requests > 0);
    for (const canary of [token, secret]) {
      assertKept(canary, heard, 'what clients hear');
      assertKept(canary, program.stdout + program.stderr, 'the output');
    }
  });
}
