import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { createCertificateAuthority } from '../../../src/demo/certificates.ts';
import { ProxyError, SqlState } from '../../../src/errors.ts';
import { encodeFatal } from '../../../src/protocol/error-response.ts';
import { Relay } from '../../../src/proxy/relay.ts';
import { until } from '../../support/wait.ts';
import { message } from '../bytes.ts';
import { connectPair, receiveAll, type SocketPair } from '../sockets.ts';

const READY = message('Z', 'I');
const QUERY = message('Q', 'select\0');
const ROW = message('D', Buffer.alloc(4_000, 'x'));
const TOO_OLD = new ProxyError(SqlState.adminShutdown, 'too old');

test('a session is neither idle nor closed for its age while its client has not read what it was sent', async () => {
  await using client = await connectPair();
  await using server = await connectPair();
  const relay = new Relay(client.near, server.near, () => {});
  const ended = relay.run();
  const sent: Buffer[] = [];
  const send = async (bytes: Buffer): Promise<void> => {
    sent.push(bytes);
    const total = Buffer.concat(sent).length;
    server.far.write(bytes);
    while (server.near.bytesRead < total) await turn();
  };
  await send(READY);
  client.far.write(QUERY);
  await until('the query', () => relay.bytesFromClient === QUERY.length);
  assert.equal(relay.awaitsClient, false);
  // More than the kernel takes, and less than what makes the server wait.
  while (client.near.writableLength === 0) await send(ROW);
  await send(READY);
  assert.equal(relay.awaitsClient, false);
  relay.retire('max age', TOO_OLD);
  assert.equal(client.near.writableEnded, false);
  const received = receiveAll(client.far);
  await until('the client to have read', () => relay.awaitsClient);
  relay.retire('max age', TOO_OLD);
  assert.deepEqual(await received, Buffer.concat([...sent, encodeFatal(TOO_OLD)]));
  client.far.end();
  server.far.end();
  const { endedBy, reason } = await ended;
  assert.deepEqual([endedBy, reason], ['proxy', 'max age']);
});

for (const over of ['TCP', 'TLS'] as const) {
  test(`a session over ${over} that is too old while a query runs is closed as soon as it is answered`, async () => {
    await using client = await connectPair();
    await using server = await connectPair();
    const { near, far } = over === 'TCP' ? client : await secure(client);
    const relay = new Relay(near, server.near, () => {});
    const ended = relay.run();
    far.write(QUERY);
    await until('the query', () => relay.bytesFromClient === QUERY.length);
    relay.retire('max age', TOO_OLD);
    const received = receiveAll(far);
    server.far.write(Buffer.concat([READY, ROW, READY]));
    assert.deepEqual(await received, Buffer.concat([READY, ROW, READY, encodeFatal(TOO_OLD)]));
    far.end();
    server.far.end();
    await ended;
  });
}

/** The same connection with TLS over it. */
async function secure({ near, far }: SocketPair): Promise<{ near: TLSSocket; far: TLSSocket }> {
  const authority = await createCertificateAuthority('relay tests');
  const { certPem, keyPem } = await authority.issue({ dnsNames: ['localhost'] });
  const secureContext = createSecureContext({ cert: certPem, key: keyPem });
  const secured = {
    near: new TLSSocket(near, { isServer: true, secureContext }),
    far: connectTls({ socket: far, ca: authority.certPem, servername: 'localhost' }),
  };
  await once(secured.far, 'secureConnect');
  return secured;
}

test('a session that is to end for its age and is drained then is told of the drain', async () => {
  await using client = await connectPair();
  await using server = await connectPair();
  const relay = new Relay(client.near, server.near, () => {});
  const ended = relay.run();
  relay.retire('max age', TOO_OLD);
  relay.drain();
  relay.retire('max age', TOO_OLD);
  server.far.write(READY);
  const received = receiveAll(client.far);
  assert.match((await received).toString(), /shutting down/);
  client.far.end();
  server.far.end();
  assert.equal((await ended).reason, 'drained');
});
