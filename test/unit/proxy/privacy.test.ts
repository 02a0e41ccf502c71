import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { authenticateClient } from '../../../src/proxy/local-auth.ts';
import { isPrivate } from '../../../src/proxy/privacy.ts';
import { SocketReader } from '../../../src/socket-reader.ts';
import { localUsers } from '../../support/local-listener.ts';

/** A socket as it is when its peer is at this address. */
function from(remoteAddress: string | undefined): Socket {
  return Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress });
}

test('only over the network, and without TLS, can others listen in', () => {
  assert.ok(isPrivate(from('127.0.0.1')));
  assert.ok(isPrivate(from(undefined)), 'a Unix socket');
  assert.ok(isPrivate(new TLSSocket(from('10.0.0.1'))));
  assert.ok(!isPrivate(from('10.0.0.1')));
});

test('nobody is asked for a password that others could read', async () => {
  const client = from('10.0.0.1');
  const said: unknown[] = [];
  client.write = (bytes: unknown) => said.push(bytes) > 0;
  const options = { method: 'password', user: 'app', users: await localUsers({ app: 'x' }) } as const;
  const { signal } = new AbortController();
  const login = authenticateClient(client, new SocketReader(client, 'client'), options, signal);
  await assert.rejects(login, { sqlState: '28000', message: /in the clear/, hint: /sslmode=require/ });
  assert.deepEqual(said, []);
});
