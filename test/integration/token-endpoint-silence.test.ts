import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { startApplicationProxy, startEntraFor, tokenLines } from '../support/fault-programs.ts';
import { createFaultSwitch, createNameService, ENTRA_NAME, refuse } from '../support/faults.ts';
import { startImds } from '../support/imds.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const LOGINS = 20;

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

describe('a token endpoint that does not answer', { concurrency: 6 }, () => {
  // However long the answer takes, 30 s or less: the test says when it comes.
  test('who has no token waits for a slow answer; who has one does not, however slow the next one is', async () => {
    const role = 'slow';
    await using entra = await startEntraFor(bench, role, { refreshInSeconds: 1 });
    const holds = [Promise.withResolvers<'normal'>(), Promise.withResolvers<'normal'>()];
    let held = 0;
    entra.behave = ({ method }) => (method === 'POST' && holds[held++]?.promise) || 'normal';
    await using proxy = await startApplicationProxy(bench, entra, role);
    let isIn = false;
    const first = proxy.whoAmI().then((who) => {
      isIn = true;
      return who;
    });
    await until('the first request', () => held === 1);
    assert.equal(isIn, false);
    holds[0]?.resolve('normal');
    assert.equal(await first, role);
    await until('the next request', () => held === 2);
    const logins = Array.from({ length: LOGINS }, () => proxy.whoAmI());
    assert.deepEqual(new Set(await Promise.all(logins)), new Set([role]));
    assert.equal(held, 2, 'the answer is still held');
    holds[1]?.resolve('normal');
    await until('the request after it', () => held > 2);
    assert.equal(await proxy.whoAmI(), role);
    assert.deepEqual([...tokenLines(proxy.program, 'warn'), ...tokenLines(proxy.program, 'error')], []);
  });

  test('an outage that outlasts the token is told when the token ends, and again when it is over', async () => {
    const role = 'outlasted';
    await using entra = await startEntraFor(bench, role, { lifetimeSeconds: 4 });
    const outage = createFaultSwitch(entra);
    await using proxy = await startApplicationProxy(bench, entra, role);
    assert.equal(await proxy.whoAmI(), role);
    outage.on((_request, response) => refuse(response, 500));
    await until('the first failure', () => tokenLines(proxy.program, 'warn').length === 1);
    await until('the end of the token', () => tokenLines(proxy.program, 'error').length === 1);
    const { code, message, hint } = await refusedLogin(proxy.port);
    assert.equal(code, '57P03');
    assert.match(message, /AADSTS90033/);
    assert.match(hint ?? '', /try again/);
    outage.off();
    await until('a login', () => proxy.letsIn());
    assert.deepEqual(
      (['warn', 'error', 'info'] as const).map((level) => tokenLines(proxy.program, level).length),
      [1, 1, 1],
    );
  });

  test('without DNS, who has a token gets in; who has none is told the name; and both pass', async () => {
    const role = 'nameless';
    const authority = await createCertificateAuthority('a stand-in for Entra with a name');
    const certificate = await authority.issue({ dnsNames: [ENTRA_NAME] });
    await using entra = await startEntraFor(bench, role, {
      ...certificate,
      hostName: ENTRA_NAME,
      refreshInSeconds: 1,
    });
    // Each request looks the name up: none comes over a connection that is still open.
    entra.behave = (_request, response) => {
      response.setHeader('connection', 'close');
      return 'normal';
    };
    const dns = await createNameService(bench.files.directory);
    await dns.forget();
    await using proxy = await bench.startProxy(
      ['--credential', 'environment', '--user', role, ...entraFlags(entra)],
      {
        ...APPLICATION,
        ...dns.env,
        NODE_EXTRA_CA_CERTS: await bench.files.write('named-ca.pem', authority.certPem),
      },
    );
    const { code, message, hint } = await refusedLogin(proxy.port);
    assert.equal(code, '57P03');
    assert.match(
      message,
      /^cannot reach Microsoft Entra at https:\/\/entra\.invalid:\d+ \(environment\): .*entra\.invalid/,
    );
    assert.match(message, /ENOTFOUND|EAI_AGAIN/);
    assert.match(hint ?? '', /network/);
    await dns.know();
    await until('a login', () => proxy.letsIn());
    await dns.forget();
    await until('a refresh that fails', () => tokenLines(proxy.program, 'warn').length === 1);
    for (let login = 0; login < LOGINS; login += 1) assert.equal(await proxy.whoAmI(), role);
    await dns.know();
    await until('the end of it in the log', () => tokenLines(proxy.program, 'info').length === 2);
    assert.equal(await proxy.whoAmI(), role);
  });

  for (const { status } of [{ status: 429 }, { status: 503 }]) {
    test(`Entra's ${status} with Retry-After is told at once, and nothing is asked until it is over`, async () => {
      const role = `paused ${status}`;
      await using entra = await startEntraFor(bench, role);
      const asked: number[] = [];
      entra.behave = ({ method }, response) => {
        if (method !== 'POST' || asked.push(performance.now()) > 1) return 'normal';
        refuse(response, status, { 'retry-after': '3' });
        return 'handled';
      };
      await using proxy = await startApplicationProxy(bench, entra, role);
      const { code, message, hint } = await refusedLogin(proxy.port);
      assert.equal(code, '57P03');
      assert.match(
        message,
        /^Microsoft Entra asks for a pause of 3 s \(environment\): AADSTS90033: .* again\.$/,
      );
      assert.match(hint ?? '', /asks again by itself/);
      assert.equal(asked.length, 1, 'told before the pause was over');
      await until('a login', () => proxy.letsIn());
      const [first = 0, second = 0] = asked;
      assert.ok(second - first >= 3_000, `asked again after ${second - first} ms`);
      assert.equal(asked.length, 2);
    });
  }

  test('a managed identity endpoint that fails, then asks for a pause, gets it; who has no token is told at once', async () => {
    await using imds = await startImds({ issueToken: () => bench.issueToken() });
    let isThrottling = false;
    const asked: number[] = [];
    imds.behave = (response) => {
      if (isThrottling && asked.push(performance.now()) > 1) return false;
      response.writeHead(isThrottling ? 429 : 500, {
        'content-type': 'application/json',
        'retry-after': '3',
      });
      response.end('{"error":"not_today","error_description":"Come back later"}');
      return true;
    };
    const flags = ['--credential', 'managed-identity', '--user', TEST_ROLE];
    await using proxy = await bench.startProxy(flags, imds.env);
    const broken = await refusedLogin(proxy.port);
    assert.equal(broken.code, '57P03');
    assert.match(
      broken.message,
      /^this machine's managed identity endpoint does not answer: .*Come back later$/,
    );
    assert.match(broken.hint ?? '', /managed identity/);
    isThrottling = true;
    await until('the request for a pause', () => asked.length === 1);
    const isTold = async (): Promise<boolean> =>
      /^this machine's managed identity endpoint asks for a pause of 3 s .*Come back later$/.test(
        (await refusedLogin(proxy.port)).message,
      );
    await until('it to be told', isTold);
    assert.equal(asked.length, 1, 'told before the pause was over');
    await until('a login', () => proxy.letsIn());
    const [first = 0, second = 0] = asked;
    assert.ok(second - first >= 3_000, `asked again after ${second - first} ms`);
  });
});
