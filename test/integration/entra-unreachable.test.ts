import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { findFreePort } from '../../src/demo/loopback.ts';
import { APPLICATION, startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { startForwarder } from '../support/forwarder.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** What Entra says of itself at an address; @azure/identity goes nowhere else. */
function sendOpenIdConfiguration(response: ServerResponse, authority: string): 'handled' {
  const issuer = `${authority}/${TENANT_ID}`;
  const endpoints = {
    issuer: `${issuer}/v2.0`,
    authorization_endpoint: `${issuer}/oauth2/v2.0/authorize`,
    token_endpoint: `${issuer}/oauth2/v2.0/token`,
    jwks_uri: `${issuer}/discovery/v2.0/keys`,
  };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(endpoints));
  return 'handled';
}

test('while Entra cannot be reached clients are told to try again; once it can, they get in', async () => {
  const port = await findFreePort();
  const authority = `https://127.0.0.1:${port}`;
  const flags = ['--credential', 'environment', '--user', TEST_ROLE];
  const entraFlags = ['--authority-host', authority, '--disable-instance-discovery'];
  await using proxy = await bench.startProxy([...flags, ...entraFlags], APPLICATION);
  const { code, message, hint } = await refusedLogin(proxy.port);
  assert.equal(code, '57P03');
  assert.match(message, /cannot reach Microsoft Entra at https:\/\/127\.0\.0\.1/);
  assert.match(hint ?? '', /check this machine's network[^]*--authority-host/i);

  await using entra = await bench.startEntra();
  entra.behave = ({ method }, response) =>
    method === 'GET' ? sendOpenIdConfiguration(response, authority) : 'normal';
  await using hop = await startForwarder(Number(new URL(entra.authorityHost).port), port);
  await until('a login', () => proxy.letsIn(), 30_000);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.ok(hop.opened > 0, 'Entra was reached at the address that was dead');
});
