import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCrossSite, isOurHost } from '../../../src/admin/request-checks.ts';

const LOOPBACK_HOSTS = [
  'localhost',
  'LOCALHOST:9090',
  'localhost.:9090',
  '127.0.0.1',
  '127.0.0.1:1',
  '127.8.9.10:80',
  '[::1]',
  '[::1]:9090',
];

const PUBLIC_NAMES = [
  'evil.example',
  'evil.example:9090',
  'evil.example.:9090',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'localhost:9090.evil.example',
  'evil-localhost.com',
  'proxy.svc.evil.example',
];

const NONSENSE = [
  undefined,
  '',
  ':9090',
  'localhost:x',
  'localhost:9090:1',
  'user@localhost',
  'localhost/',
  '[::1',
  '::1',
  ' localhost',
];

for (const address of ['127.0.0.1', 'localhost', '::1']) {
  test(`at ${address}, only loopback names are ours`, () => {
    for (const host of LOOPBACK_HOSTS) assert.equal(isOurHost(host, address), true, host);
    for (const host of [...PUBLIC_NAMES, ...NONSENSE, 'proxy', '10.0.0.1:9090', '[fe80::1]', 'proxy.local'])
      assert.equal(isOurHost(host, address), false, host);
  });
}

test('where other machines reach it, addresses and names of private networks are ours too', () => {
  const names = [
    'proxy',
    'proxy:9090',
    'proxy.default.svc',
    'proxy.local',
    'proxy.default.svc.cluster.local',
    'box.internal',
    'nas.home.arpa',
  ];
  for (const host of [...LOOPBACK_HOSTS, ...names, '10.0.0.1:9090', '[fe80::1]:9090'])
    assert.equal(isOurHost(host, '0.0.0.0'), true, host);
  for (const host of [...PUBLIC_NAMES, ...NONSENSE]) assert.equal(isOurHost(host, '0.0.0.0'), false, host);
});

test('the name that it was told to listen on is ours, public or not', () => {
  assert.equal(isOurHost('proxy.contoso.com:9090', 'Proxy.Contoso.com'), true);
  assert.equal(isOurHost('other.contoso.com:9090', 'proxy.contoso.com'), false);
});

test('a request is from another site if the browser says so, or the Origin is not ours', () => {
  const host = 'localhost:9090';
  const fromHere = [
    {},
    { origin: 'http://localhost:9090' },
    { origin: 'HTTP://LocalHost:9090', 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ];
  const fromElsewhere = [
    { origin: 'null' },
    { origin: '' },
    { origin: 'http://evil.example' },
    { origin: 'http://localhost:8080' },
    { origin: 'https://localhost:9090' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost:9090' },
  ];
  for (const headers of fromHere)
    assert.equal(isCrossSite({ host, ...headers }), false, JSON.stringify(headers));
  for (const headers of fromElsewhere)
    assert.equal(isCrossSite({ host, ...headers }), true, JSON.stringify(headers));
});
