import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

/** Tells which names are looked up, and knows none of Microsoft's. */
const HOOK = `
  import dns from 'node:dns';
  const { lookup } = dns;
  dns.lookup = (name, options, callback) => {
    process.stderr.write('looked up ' + name + '\\n');
    if (!name.includes('microsoft')) return lookup(name, options, callback);
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND ' + name), { code: 'ENOTFOUND' });
    (typeof options === 'function' ? options : callback)(error);
  };`;
const env = { ...APPLICATION, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(HOOK)}` };

const DISCOVERY = 'looked up login.microsoftonline.com';

test('--disable-instance-discovery: an authority of one own is not looked for in the public cloud', async () => {
  await using entra = await bench.startEntra();
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  assert.ok(flags.includes('--disable-instance-discovery'));
  await using proxy = await bench.startProxy(flags, env);
  assert.equal(await proxy.whoAmI(), TEST_ROLE);
  assert.ok(!proxy.program.stderr.includes(DISCOVERY));
});

test('without --disable-instance-discovery the public cloud is asked whether it knows the authority', async () => {
  await using entra = await bench.startEntra();
  const all = ['--credential', 'environment', '--user', TEST_ROLE, ...entraFlags(entra)];
  const flags = all.filter((flag) => flag !== '--disable-instance-discovery');
  await using proxy = await bench.startProxy(flags, env);
  assert.equal((await refusedLogin(proxy.port)).code, '57P03');
  assert.ok(proxy.program.stderr.includes(DISCOVERY));
  assert.equal(entra.requests, 0);
});
