import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { delimiter, dirname } from 'node:path';
import { after, test } from 'node:test';
import { CLIENT_ID, entraFlags, startCredentialBench, TENANT_ID } from '../support/credentials.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** What a browser ends with after a sign-in: the form with a code that Entra makes it send back. */
const BROWSER = `#!/usr/bin/env node
const asked = new URL(process.argv[2]).searchParams;
const body = new URLSearchParams({ code: 'a-code', state: asked.get('state') });
fetch(asked.get('redirect_uri'), { method: 'POST', body });
`;

const skip =
  process.platform !== 'linux' && 'the browser is found through $BROWSER, as xdg-open does on Linux';

test('interactive: somebody signs in with the browser, and clients get in', { skip }, async () => {
  await using entra = await bench.startEntra();
  entra.behave = async ({ method }, response) => {
    if (method !== 'POST') return 'normal';
    const access_token = await bench.issueToken();
    const body = { token_type: 'Bearer', expires_in: 3_600, ext_expires_in: 3_600, scope: 'x', access_token };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return 'handled';
  };
  const browser = await bench.files.write('browser', BROWSER);
  await chmod(browser, 0o700);
  const PATH = [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
  const flags = ['--credential', 'interactive', '--tenant-id', TENANT_ID, '--client-id', CLIENT_ID];
  await using proxy = await bench.startProxy([...flags, ...entraFlags(entra)], { BROWSER: browser, PATH });
  await proxy.program.find('ready');
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
});
