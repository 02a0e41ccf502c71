import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CLIENT_ID, entraFlags, startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

test('device-code: the code is shown, and once it is entered clients get in', async () => {
  await using entra = await bench.startEntra();
  let entered = false;
  entra.behave = async ({ method, url }, response) => {
    const json = (status: number, body: unknown): 'handled' => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return 'handled';
    };
    if (method !== 'POST') return 'normal';
    if (url?.endsWith('/devicecode')) {
      const message = 'To sign in, open https://microsoft.com/devicelogin and enter the code ABCD1234.';
      return json(200, {
        user_code: 'ABCD1234',
        device_code: 'device',
        verification_uri: 'https://microsoft.com/devicelogin',
        expires_in: 900,
        interval: 1,
        message,
      });
    }
    if (!entered)
      return json(400, { error: 'authorization_pending', error_description: 'AADSTS70016: pending' });
    const access_token = await bench.issueToken();
    return json(200, {
      token_type: 'Bearer',
      expires_in: 3_600,
      ext_expires_in: 3_600,
      scope: 'x',
      access_token,
    });
  };
  const flags = ['--credential', 'device-code', '--tenant-id', TENANT_ID, '--client-id', CLIENT_ID];
  await using proxy = await bench.startProxy([...flags, ...entraFlags(entra)]);
  const { msg } = await proxy.program.find('sign-in');
  assert.match(String(msg), /enter the code ABCD1234/);
  entered = true;
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});
