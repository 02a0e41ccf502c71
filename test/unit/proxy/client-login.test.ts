import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { PeerClosedError } from '../../../src/errors.ts';
import { loadCertificate } from '../../../src/local/certificate-files.ts';
import { decodeErrorFields } from '../../../src/protocol/error-response.ts';
import {
  type CancelRequest,
  encodeStartupMessage,
  type StartupMessage,
} from '../../../src/protocol/startup.ts';
import { ClientConnection } from '../../../src/proxy/client-connection.ts';
import { ForeignProtocolError, readRequest } from '../../../src/proxy/client-login.ts';
import { createLocalTls, directTls, requestTls } from '../../support/local-tls.ts';
import { GSSENC_REQUEST, int32, PROTOCOL_3_0, packet, SSL_REQUEST } from '../bytes.ts';
import { connectPair, type SocketPair, writeAndArrive } from '../sockets.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };
const { signal: never } = new AbortController();

const PARAMETERS = [
  { name: 'user', value: Buffer.from('app') },
  { name: 'database', value: Buffer.from('shop') },
];
const STARTUP = encodeStartupMessage({ protocolVersion: PROTOCOL_3_0, parameters: PARAMETERS });
const EXPECTED: StartupMessage = { kind: 'startup', protocolVersion: PROTOCOL_3_0, parameters: PARAMETERS };

type Request = StartupMessage | CancelRequest;

function readFrom({ near }: SocketPair, signal: AbortSignal = never): Promise<Request> {
  return readRequest(new ClientConnection(near), signal);
}

/** What becomes of a client that sends just these bytes at once. */
async function requestOf(bytes: Buffer): Promise<Request> {
  await using pair = await connectPair();
  const request = readFrom(pair);
  pair.far.write(bytes);
  return await request;
}

/** Sends each group as a client does, in two pieces, and waits for the `N` that answers all but the last. */
async function handshake(groups: readonly Buffer[], cut: { group: number; at: number }): Promise<Request> {
  await using pair = await connectPair();
  const { near, far } = pair;
  const request = readFrom(pair);
  for (const [index, bytes] of groups.entries()) {
    const at = index === cut.group ? cut.at : 0;
    const answered = index < groups.length - 1 ? (once(far, 'data') as Promise<[Buffer]>) : undefined;
    await writeAndArrive(far, near, bytes.subarray(0, at));
    far.write(bytes.subarray(at));
    if (answered !== undefined) assert.equal((await answered)[0].toString(), 'N');
  }
  return await request;
}

async function foreignAnswerTo(bytes: Buffer): Promise<string> {
  let answer: Buffer | undefined;
  await assert.rejects(requestOf(bytes), (error) => {
    assert.ok(error instanceof ForeignProtocolError);
    answer = error.response;
    return true;
  });
  assert.ok(answer !== undefined);
  return answer.toString('latin1');
}

test('a client that starts up at once is understood', async () => {
  assert.deepEqual(await requestOf(STARTUP), EXPECTED);
});

test('requests for encryption, in either order, are refused with N each, and the startup is read behind them', async () => {
  for (const groups of [
    [SSL_REQUEST, STARTUP],
    [GSSENC_REQUEST, STARTUP],
    [SSL_REQUEST, GSSENC_REQUEST, STARTUP],
    [GSSENC_REQUEST, SSL_REQUEST, STARTUP],
  ]) {
    assert.deepEqual(await handshake(groups, { group: 0, at: 0 }), EXPECTED);
  }
});

test('a handshake may be cut at every byte', async () => {
  const groups = [SSL_REQUEST, GSSENC_REQUEST, STARTUP];
  for (const [group, bytes] of groups.entries()) {
    for (let at = 1; at < bytes.length; at += 1) {
      assert.deepEqual(await handshake(groups, { group, at }), EXPECTED, `group ${group} cut at ${at}`);
    }
  }
});

test('a CancelRequest is understood, also behind a refused SSLRequest', async () => {
  const key = Buffer.concat([int32(4711), Buffer.alloc(32, 1)]);
  const cancel = packet(80_877_102, key);
  assert.deepEqual(await requestOf(cancel), { kind: 'cancelRequest', key });
  assert.deepEqual(await handshake([SSL_REQUEST, cancel], { group: 1, at: 9 }), {
    kind: 'cancelRequest',
    key,
  });
});

test('bytes sent behind SSLRequest or GSSENCRequest before the answer are refused with 08P01', async () => {
  for (const request of [SSL_REQUEST, GSSENC_REQUEST]) {
    await assert.rejects(requestOf(Buffer.concat([request, STARTUP])), VIOLATION);
    await assert.rejects(requestOf(Buffer.concat([request, Buffer.of(0)])), VIOLATION);
    await assert.rejects(requestOf(Buffer.concat([SSL_REQUEST, GSSENC_REQUEST])), VIOLATION);
  }
});

test('a second request for the same encryption is refused with 08P01', async () => {
  for (const request of [SSL_REQUEST, GSSENC_REQUEST]) {
    await assert.rejects(handshake([request, request], { group: 0, at: 0 }), VIOLATION);
  }
  const between = [SSL_REQUEST, GSSENC_REQUEST, SSL_REQUEST];
  await assert.rejects(handshake(between, { group: 0, at: 0 }), VIOLATION);
});

test('bytes behind the startup packet are left for whoever comes next', async () => {
  await using pair = await connectPair();
  const connection = new ClientConnection(pair.near);
  const request = readRequest(connection, never);
  pair.far.write(Buffer.concat([STARTUP, Buffer.from('early')]));
  assert.deepEqual(await request, EXPECTED);
  assert.equal(connection.reader.buffered, 5);
});

test('impossible lengths are refused with 08P01 on their four bytes alone', async () => {
  for (const length of [0, 1, 2, 3, 4, 5, 6, 7, 10_005, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    await assert.rejects(requestOf(int32(length)), VIOLATION, `a length of ${length}`);
  }
});

test('a startup packet of 10,004 bytes is read', async () => {
  const padding = { name: 'options', value: Buffer.alloc(10_004 - STARTUP.length - 9, 'x') };
  const parameters = [...PARAMETERS, padding];
  const longest = encodeStartupMessage({ protocolVersion: PROTOCOL_3_0, parameters });
  assert.equal(longest.length, 10_004);
  assert.deepEqual(await requestOf(longest), { ...EXPECTED, parameters });
});

test('malformed packets are refused with 08P01', async () => {
  await assert.rejects(requestOf(packet(PROTOCOL_3_0, 'user\0app')), VIOLATION);
  await assert.rejects(requestOf(packet(80_877_103, '\0')), VIOLATION);
  await assert.rejects(requestOf(packet(80_877_102, '1234567')), VIOLATION);
});

test('direct TLS gets a TLS alert that a TLS client understands', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const request = readFrom(pair);
  const tls = connectTls({ socket: far, servername: 'localhost', ALPNProtocols: ['postgresql'] });
  const failed = once(tls, 'secureConnect');
  let answer: Buffer | undefined;
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof ForeignProtocolError);
    answer = error.response;
    return true;
  });
  assert.ok(answer !== undefined);
  near.write(answer);
  await assert.rejects(failed, /alert handshake failure/);
  tls.destroy();
});

test('HTTP gets an HTTP answer, whatever the method', async () => {
  for (const method of [
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'OPTIONS',
    'PATCH',
    'CONNECT',
    'TRACE',
    'PRI',
  ]) {
    const answer = await foreignAnswerTo(Buffer.from(`${method} / HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(answer, /\r\n\r\nThis port speaks PostgreSQL/);
  }
});

test('protocol 2 and older get an error of their own time', async () => {
  const startup = packet(0x2_0000, Buffer.alloc(288));
  assert.equal(await foreignAnswerTo(startup), 'EFATAL:  unsupported frontend protocol 2.0\n\0');
  assert.equal(await foreignAnswerTo(packet(0)), 'EFATAL:  unsupported frontend protocol 0.0\n\0');
});

test('protocol 4 and newer get 0A000 with a hint', async () => {
  for (const [version, name] of [
    [0x4_0000, '4.0'],
    [80_877_105, '1234.5681'],
  ] as const) {
    const answer = Buffer.from(await foreignAnswerTo(packet(version, 'user\0a\0\0')), 'latin1');
    assert.equal(answer.toString('latin1', 0, 1), 'E');
    assert.equal(answer.readUInt32BE(1), answer.length - 1);
    const fields = decodeErrorFields(answer.subarray(5));
    assert.equal(fields.severity, 'FATAL');
    assert.equal(fields.sqlState, '0A000');
    assert.equal(fields.message, `unsupported frontend protocol ${name}`);
    assert.match(fields.hint ?? '', /newer client/);
  }
});

test('the signal ends the wait with its reason, wherever the client stands', async () => {
  for (const sent of [Buffer.alloc(0), STARTUP.subarray(0, 3), STARTUP.subarray(0, 20)]) {
    await using pair = await connectPair();
    const controller = new AbortController();
    const request = readFrom(pair, controller.signal);
    await writeAndArrive(pair.far, pair.near, sent);
    const reason = new Error('login deadline');
    controller.abort(reason);
    await assert.rejects(request, (error) => error === reason);
  }
});

test('a client that leaves early, politely or not, is reported as gone', async () => {
  const isGone = (error: unknown): boolean => error instanceof PeerClosedError && error.peer === 'client';
  for (const sent of [Buffer.alloc(0), Buffer.of(0), STARTUP.subarray(0, 20)]) {
    await using polite = await connectPair();
    const first = readFrom(polite);
    polite.far.end(sent);
    await assert.rejects(first, isGone);
    await using rude = await connectPair();
    const second = readFrom(rude);
    await writeAndArrive(rude.far, rude.near, sent);
    rude.far.resetAndDestroy();
    await assert.rejects(second, isGone);
  }
});

test('a client that is refused encryption and leaves, as pgx does, is reported as gone', async () => {
  await using pair = await connectPair();
  const request = readFrom(pair);
  const answered = once(pair.far, 'data') as Promise<[Buffer]>;
  pair.far.write(SSL_REQUEST);
  assert.equal((await answered)[0].toString(), 'N');
  pair.far.end();
  await assert.rejects(request, (error) => error instanceof PeerClosedError);
});

test('with a certificate, SSLRequest and direct TLS lead to TLS, and the request is read within', async () => {
  await using local = await createLocalTls();
  const { certificate } = await loadCertificate(local);
  const key = Buffer.alloc(8, 1);
  for (const begin of [requestTls, directTls]) {
    for (const [bytes, expected] of [
      [STARTUP, EXPECTED],
      [packet(80_877_102, key), { kind: 'cancelRequest', key }],
    ] as const) {
      await using pair = await connectPair();
      const connection = new ClientConnection(pair.near, local.tls);
      const request = readRequest(connection, never);
      const alpn = { ALPNProtocols: ['postgresql'] };
      const socket = await begin(pair.far, { ca: local.authority.certPem, ...alpn });
      socket.write(bytes.subarray(0, 3));
      socket.write(Buffer.concat([bytes.subarray(3), Buffer.from('early')]));
      assert.deepEqual(await request, expected);
      assert.equal(connection.reader.buffered, 5);
      const { raw } = certificate;
      assert.deepEqual(connection.tls, { version: 'TLSv1.3', saidPostgresql: true, certificate: raw });
      connection.socket.destroy();
    }
  }
});

test('a client that resumes its TLS session is known to see the same certificate', async () => {
  await using local = await createLocalTls();
  let session: Buffer | undefined;
  for (const isReused of [false, true]) {
    await using pair = await connectPair();
    const connection = new ClientConnection(pair.near, local.tls);
    const request = readRequest(connection, never);
    const options = { ca: local.authority.certPem, maxVersion: 'TLSv1.2' } as const;
    const socket = await requestTls(pair.far, { ...options, ...(session && { session }) });
    session = socket.getSession();
    socket.write(STARTUP);
    await request;
    assert.equal(socket.isSessionReused(), isReused);
    const { certificate } = await loadCertificate(local);
    assert.deepEqual(connection.tls?.certificate, certificate.raw);
    connection.socket.destroy();
  }
});

test('the signal ends a TLS handshake with its reason, and closes the connection', async () => {
  await using local = await createLocalTls();
  await using pair = await connectPair();
  const controller = new AbortController();
  const connection = new ClientConnection(pair.near, local.tls);
  const request = readRequest(connection, controller.signal);
  const answered = once(pair.far, 'data') as Promise<[Buffer]>;
  pair.far.write(SSL_REQUEST);
  assert.equal((await answered)[0].toString(), 'S');
  const reason = new Error('login deadline');
  controller.abort(reason);
  await assert.rejects(request, (error) => error === reason);
  assert.equal(connection.socket.destroyed, true);
});
