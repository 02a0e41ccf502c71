import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { checkDns, type Resolving } from '../../../src/check/dns.ts';
import type { Upstream } from '../../../src/upstream/dial.ts';

const HOST = 'orders.postgres.database.azure.com';
const LINK = 'orders.privatelink.postgres.database.azure.com';

const TYPE_CNAME = 5;

/** A DNS server on this machine that knows these aliases, and nothing else. */
async function startNameServer(aliases: Readonly<Record<string, string>>): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const name = readName(query, 12);
    const alias = aliases[name];
    const answer = alias === undefined ? Buffer.alloc(0) : cname(alias);
    const question = query.subarray(12, 12 + encodeName(name).length + 4);
    // Response, recursion available; one question; as many answers as there are.
    const head = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, alias === undefined ? 0 : 1, 0, 0, 0, 0]);
    query.copy(head, 0, 0, 2);
    socket.send(Buffer.concat([head, question, answer]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  after(() => socket.close());
  return socket;
}

function readName(packet: Buffer, offset: number): string {
  const labels: string[] = [];
  let at = offset;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return labels.join('.');
}

function encodeName(name: string): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

/** The name asked for (a pointer to it), CNAME, IN, for a minute. */
function cname(alias: string): Buffer {
  const name = encodeName(alias);
  return Buffer.concat([Buffer.from([0xc0, 12, 0, TYPE_CNAME, 0, 1, 0, 0, 0, 60, 0, name.length]), name]);
}

async function resolving(
  aliases: Readonly<Record<string, string>>,
  addresses: readonly string[] | Promise<never>,
): Promise<Resolving> {
  const server = await startNameServer(aliases);
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.address().port}`]);
  return {
    addressesOf: async () => addresses,
    aliasOf: async (name) => (await resolver.resolveCname(name).catch(() => []))[0],
  };
}

function upstream(address: string, connectTimeoutMs = 10_000): Upstream {
  const trust = { roots: 'bundled', serverName: HOST, secureContext: createSecureContext() };
  return { address, port: 5432, trust, connectTimeoutMs };
}

test('the chain of aliases is told as DNS has it, and which addresses are private', async () => {
  const chain = { [HOST]: LINK, [LINK]: 'vm7.eastus.example.net' };
  const { finding, result } = await checkDns(upstream(HOST), await resolving(chain, ['10.1.2.3']));
  assert.deepEqual(finding, {
    status: 'ok',
    summary: `${HOST} is at 10.1.2.3 (private)`,
    facts: [
      { name: 'alias of', value: LINK },
      { name: 'alias of', value: 'vm7.eastus.example.net' },
      { name: 'address', value: '10.1.2.3 (private)' },
    ],
    repair: [],
  });
  assert.deepEqual(result, ['10.1.2.3']);
});

test('a server with a private endpoint whose name leads to a public address is a warning', async () => {
  const { finding, result } = await checkDns(upstream(HOST), await resolving({ [HOST]: LINK }, ['20.1.2.3']));
  assert.equal(finding.status, 'warning');
  assert.equal(finding.summary, `${HOST} is at 20.1.2.3 (public), although it has a private endpoint`);
  assert.match(
    JSON.stringify(finding.repair),
    /private DNS zone \\"privatelink\.postgres\.database\.azure\.com\\"/,
  );
  assert.deepEqual(result, ['20.1.2.3']);
});

test('aliases that point at each other are told once each', async () => {
  const circle = { [HOST]: 'one.example', 'one.example': 'two.example', 'two.example': HOST };
  const { finding } = await checkDns(upstream(HOST), await resolving(circle, ['::1', 'fe80::1']));
  assert.equal(finding.summary, `${HOST} is at 2 addresses`);
  assert.deepEqual(
    finding.facts.map(({ name, value }) => `${name} ${value}`),
    [
      'alias of one.example',
      'alias of two.example',
      'address ::1 (this machine)',
      'address fe80::1 (this link)',
    ],
  );
});

test('a name that nobody resolves within the connect timeout fails', async () => {
  const never = new Promise<never>(() => {});
  const { finding, result } = await checkDns(upstream(HOST, 50), await resolving({ [HOST]: LINK }, never));
  assert.deepEqual([finding.status, result], ['failed', undefined]);
  assert.equal(finding.summary, `no addresses for "${HOST}" within 0.05 s`);
  assert.deepEqual(finding.facts, [{ name: 'alias of', value: LINK }]);
});

test('a name that does not exist fails with what to check', async () => {
  const missing = Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
  missing.catch(() => {});
  const { finding } = await checkDns(upstream('nowhere.example'), await resolving({}, missing));
  assert.equal(finding.summary, 'could not resolve the server name "nowhere.example"');
  assert.deepEqual(finding.facts, [{ name: 'TLS name', value: HOST }]);
});

test('an address needs no DNS', async () => {
  const { finding, result } = await checkDns(upstream('10.0.0.5'), await resolving({}, []));
  assert.equal(finding.summary, '10.0.0.5 is an address (private): nothing to resolve');
  assert.deepEqual(result, ['10.0.0.5']);
});
