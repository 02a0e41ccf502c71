import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { TEST_ROLE } from '../support/tokens.ts';

/** Tells on standard error of each of Azure's modules that the program loads, by import or require. */
const HOOK = `
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context);
    if (/[\\\\/]node_modules[\\\\/]@azure[\\\\/]/.test(found.url)) writeSync(2, \`loads \${specifier}\\n\`);
    return found;
  },
});
writeSync(2, 'watching modules\\n');
`;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

const hook = pathToFileURL(await bench.files.write('hook.mjs', HOOK));
const env = { NODE_OPTIONS: `--import ${hook.href}` };

test("the environment credential loads Azure's library", async () => {
  await using entra = await bench.startEntra();
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  await using proxy = await bench.startProxy(flags, { ...APPLICATION, ...env });
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.match(proxy.program.stderr, /^loads @azure\/identity$/m);
});

for (const credential of ['token-file', 'token-command']) {
  test(`${credential} loads nothing of Azure's library`, async () => {
    const path = await bench.files.write('token', await bench.issueToken());
    const value = credential === 'token-file' ? path : `cat '${path}'`;
    await using proxy = await bench.startProxy(['--credential', credential, `--${credential}`, value], env);
    assert.equal(await proxy.whoAmI(), TEST_ROLE);
    assert.match(proxy.program.stderr, /^watching modules$/m);
    assert.doesNotMatch(proxy.program.stderr, /^loads /m);
  });
}
