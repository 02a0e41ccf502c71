import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { checkTcp } from '../../../src/check/tcp.ts';
import { listen } from '../../../src/demo/loopback.ts';
import { startSilentAddress } from '../../support/silent-address.ts';

const { port, close } = await listen(createServer());
after(close);

function upstream(connectTimeoutMs = 10_000) {
  const trust = { roots: 'bundled', serverName: 'orders.example', secureContext: createSecureContext() };
  return { address: 'orders.example', port, trust, connectTimeoutMs };
}

test('each address is tried, and one that does not take connections is a warning', async () => {
  const { finding, result } = await checkTcp(upstream(), ['127.0.0.1', '127.0.0.2']);
  assert.deepEqual([finding.status, result], ['warning', true]);
  assert.equal(finding.summary, '1 of 2 addresses take connections');
  assert.match(
    finding.facts[0]?.value ?? '',
    new RegExp(`^connected to 127\\.0\\.0\\.1:${port} in \\d+ ms$`),
  );
  assert.equal(finding.facts[1]?.value, `the server at 127.0.0.2:${port} refused the connection`);
});

test('an address of a family that this machine has no route for is no warning', async () => {
  // RFC 3849: for documentation, and nowhere.
  const { finding } = await checkTcp(upstream(2_000), ['127.0.0.1', '2001:db8::1']);
  const [, other] = finding.facts;
  const hasRoute = !/ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT/.test(other?.value ?? '');
  assert.equal(finding.status, hasRoute ? 'warning' : 'ok');
});

test('where no address takes connections, each is told of', async () => {
  const { finding, result } = await checkTcp(upstream(), ['127.0.0.2', '127.0.0.3']);
  assert.deepEqual([finding.status, result], ['failed', undefined]);
  assert.equal(finding.facts.length, 2);
});

test('an address that is silent is given up after the connect timeout', {
  skip: process.platform !== 'linux' && 'other kernels answer for a listener that does not',
}, async () => {
  await using _ = await startSilentAddress('127.0.0.4', port);
  const { finding } = await checkTcp(upstream(200), ['127.0.0.4']);
  assert.equal(finding.status, 'failed');
  assert.match(finding.summary, /within the connect timeout/);
});
