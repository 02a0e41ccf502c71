import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Attack, type AttackOptions, startAttack } from '../support/after-attack.ts';
import { createLocalTls, directTls, type LocalCertificateFiles, requestTls } from '../support/local-tls.ts';
import { GSSENC_REQUEST, message, SSL_REQUEST, STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

let local: LocalCertificateFiles;
let ca: string;
before(async () => {
  local = await createLocalTls();
  ca = local.authority.certPem;
});
after(() => local[Symbol.asyncDispose]());

const attackTls = (options: AttackOptions = {}): Promise<Attack> =>
  startAttack({ localTls: local.tls, ...options });

const ALPN: ConnectionOptions = { ALPNProtocols: ['postgresql'] };

/** Looks this often, in vain, for the server to get on before it counts as stuck. */
const STUCK_LOOKS = 20;

/** What a client of ours begins TLS with. */
async function clientHello(options: ConnectionOptions = ALPN): Promise<Buffer> {
  const hello = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      hello.resolve(chunk);
      done();
    },
  });
  const client = connectTls({ socket: wire, servername: 'localhost', ...options }).on('error', () => {});
  const bytes = await hello.promise;
  client.destroy();
  return bytes;
}

/** A client that was told S, and what it says then. */
async function told(attack: Attack, ...bytes: readonly Buffer[]): Promise<RawClient> {
  const client = new RawClient(attack.proxy.port).send(SSL_REQUEST);
  assert.equal((await client.hear(1)).toString(), 'S');
  return client.send(...bytes);
}

test('plaintext right behind SSLRequest is 08P01, and TLS does not begin', async () => {
  await using attack = await attackTls();
  for (const behind of [STARTUP, SSL_REQUEST, Buffer.of(0), await clientHello()]) {
    const error = await new RawClient(attack.proxy.port).send(SSL_REQUEST, behind).refusal();
    assert.equal(error.code, '08P01');
    assert.match(error.message, /unencrypted data after SSL request/);
  }
  assert.equal(attack.server.connections.length, 0);
  await attack.assertUnharmed();
});

test('what is no ClientHello ends the connection, and the log says what came', async () => {
  await using attack = await attackTls();
  for (const bytes of [
    STARTUP,
    SSL_REQUEST,
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(50_000, 7),
  ]) {
    const client = await told(attack, bytes);
    await client.end();
    assert.ok(!client.heard.includes('E'), 'an ErrorResponse in the clear');
  }
  await attack.proxy.idle();
  const lines = attack.proxy.log.lines.filter(({ event }) => event === 'connection');
  assert.equal(lines.length, 4);
  for (const { level, error } of lines) {
    assert.equal(level, 40);
    assert.match(String(error), /^the TLS handshake failed: \w/);
  }
  assert.equal(attack.server.connections.length, 0);
  await attack.assertUnharmed();
});

test('a ClientHello that is cut anywhere, and then nothing, ends at the login deadline', async () => {
  await using attack = await attackTls({ loginTimeoutMs: 200 });
  const hello = await clientHello();
  const clients = [1, 3, 4, 5, 100, hello.length - 1].flatMap((length) => [
    new RawClient(attack.proxy.port).send(hello.subarray(0, length)),
    told(attack, hello.subarray(0, length)),
  ]);
  for (const client of clients) await (await client).end();
  await attack.proxy.idle();
  const lines = attack.proxy.log.lines.filter(({ event }) => event === 'connection');
  assert.deepEqual(new Set(lines.map(({ sqlState }) => sqlState)), new Set(['57P05']));
  await attack.assertUnharmed();
});

for (const how of ['FIN', 'RST'] as const) {
  test(`a ClientHello that is cut anywhere, and then ${how}, leaves nothing behind`, async () => {
    await using attack = await attackTls();
    const hello = await clientHello();
    for (const length of [0, 1, 3, 4, 5, 100, hello.length]) {
      for (const client of [new RawClient(attack.proxy.port), await told(attack)]) {
        await new Promise((resolve) => {
          client.socket.write(hello.subarray(0, length), resolve);
        });
        if (how === 'FIN') client.socket.end();
        else client.socket.resetAndDestroy();
        await client.end();
      }
    }
    await attack.proxy.idle();
    assert.equal(attack.proxy.log.lines.filter(({ level }) => Number(level) > 30).length, 0);
    await attack.assertUnharmed();
  });
}

test('clients that stop in their handshake delay nobody', async () => {
  await using attack = await attackTls();
  const hello = await clientHello();
  const crowd = Array.from({ length: 200 }, () => told(attack, hello.subarray(0, 100)));
  const slow = await Promise.all(crowd);
  await using fresh = await connectPg(attack.proxy.port, { host: 'localhost', ssl: { ca } });
  await fresh.client.query('select 1');
  await fresh[Symbol.asyncDispose]();
  assert.equal(slow.filter(({ ended }) => ended).length, 0);
  for (const { socket } of slow) socket.destroy();
  await attack.assertUnharmed();
});

test('direct TLS without ALPN is told 08P01 within TLS', async () => {
  await using attack = await attackTls();
  const client = new WireClient(await directTls(attack.proxy.dial(), { ca }));
  client.startUp();
  const error = await client.waitError();
  assert.equal(error.sqlState, '08P01');
  assert.match(error.message, /direct SSL connection request without ALPN/);
  assert.equal(attack.server.connections.length, 0);
  await attack.assertUnharmed();
});

test('TLS for another protocol gets the alert no_application_protocol', async () => {
  await using attack = await attackTls();
  for (const begin of [directTls, requestTls]) {
    const failing = begin(attack.proxy.dial(), { ca, ALPNProtocols: ['h2', 'http/1.1'] });
    await assert.rejects(failing, { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' });
  }
  const line = await attack.proxy.log.find('connection');
  assert.match(String(line['hint']), /ALPN/);
  await attack.assertUnharmed();
});

test('ALPN is answered on either way', async () => {
  await using attack = await attackTls();
  for (const begin of [directTls, requestTls]) {
    const socket = await begin(attack.proxy.dial(), { ca, ALPNProtocols: ['h2', 'postgresql'] });
    assert.equal(socket.alpnProtocol, 'postgresql');
    socket.destroy();
  }
  await attack.assertUnharmed();
});

test('TLS 1.1 and older are refused by an alert', async () => {
  await using attack = await attackTls();
  for (const maxVersion of ['TLSv1', 'TLSv1.1'] as const) {
    const old = { ca, minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(requestTls(attack.proxy.dial(), old), {
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
  }
  const line = await attack.proxy.log.find('connection');
  assert.match(String(line['hint']), /no TLS newer than 1\.1/);
  await attack.assertUnharmed();
});

test('requests for encryption within requested TLS are 08P01, as is TLS within TLS', async () => {
  await using attack = await attackTls();
  for (const bytes of [SSL_REQUEST, GSSENC_REQUEST, await clientHello()]) {
    const client = new WireClient(await requestTls(attack.proxy.dial(), { ca }));
    client.send(bytes);
    assert.equal((await client.waitError()).sqlState, '08P01');
  }
  assert.equal(attack.server.connections.length, 0);
  await attack.assertUnharmed();
});

test('requests for encryption within direct TLS are refused with N, once each', async () => {
  await using attack = await attackTls();
  const socket = await directTls(attack.proxy.dial(), { ca, ...ALPN });
  for (const bytes of [SSL_REQUEST, GSSENC_REQUEST]) {
    socket.write(bytes);
    assert.equal(String((await once(socket, 'data'))[0]), 'N');
  }
  const client = new WireClient(socket);
  client.send(SSL_REQUEST);
  assert.equal((await client.waitError()).sqlState, '08P01');
  await attack.assertUnharmed();
});

test('a client that renegotiates is cut off at its first try', async () => {
  await using attack = await attackTls();
  const socket = await requestTls(attack.proxy.dial(), { ca, maxVersion: 'TLSv1.2' });
  const client = new WireClient(socket);
  client.startUp();
  await client.wait('Z');
  socket.renegotiate({}, () => {});
  await until('the proxy to cut it off', () => client.closed || client.ended);
  const line = await attack.proxy.log.find('session');
  assert.equal(line['reason'], 'ERR_TLS_RENEGOTIATION_DISABLED');
  await attack.assertUnharmed();
});

const HURTS: Readonly<Record<string, (tcp: Socket) => void>> = {
  'a broken record': (tcp) => tcp.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 64]), Buffer.alloc(64)])),
  'plaintext within TLS': (tcp) => tcp.write(STARTUP),
  'a reset': (tcp) => tcp.resetAndDestroy(),
  'an end without a goodbye': (tcp) => tcp.end(),
};

for (const [what, hurt] of Object.entries(HURTS)) {
  for (const when of ['before', 'after']) {
    test(`${what} ${when} the login ends the session`, async () => {
      await using attack = await attackTls();
      const tcp = attack.proxy.dial();
      const client = new WireClient(await requestTls(tcp, { ca }));
      if (when === 'after') {
        client.startUp();
        await client.wait('Z');
      }
      hurt(tcp);
      await attack.proxy.idle();
      client.socket.destroy();
      await attack.assertUnharmed();
    });
  }
}

test('a client that says nothing within TLS is told 57P05 there', async () => {
  await using attack = await attackTls({ loginTimeoutMs: 300 });
  const client = new WireClient(await requestTls(attack.proxy.dial(), { ca }));
  assert.equal((await client.waitError()).sqlState, '57P05');
  await client.waitEnd();
  await attack.assertUnharmed();
});

test('a client that floods the proxy within TLS after a refusal still reads the refusal', async () => {
  await using attack = await attackTls();
  const socket = await requestTls(attack.proxy.dial(), { ca });
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.write(Buffer.concat([Buffer.alloc(4), Buffer.alloc(16_000_000, 'x')]));
  await once(socket, 'end');
  socket.end();
  assert.equal((await onlyError(Buffer.concat(heard))).code, '08P01');
  await attack.assertUnharmed();
});

test('a client over TLS that reads nothing makes the server wait, and holds up no stop', async () => {
  await using attack = await attackTls();
  const rows = Buffer.concat(Array.from({ length: 64 }, () => message('D', Buffer.alloc(1_000))));
  let sent = 0;
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.send(WELCOME);
    while (!connection.tcp.destroyed) {
      await connection.flush(rows);
      sent += rows.length;
    }
  };
  const socket = await requestTls(attack.proxy.dial(), { ca });
  socket.pause().write(STARTUP);
  let seen = 0;
  let stuck = 0;
  await until('the server to be stuck', () => {
    stuck = sent > 0 && sent === seen ? stuck + 1 : 0;
    seen = sent;
    return stuck === STUCK_LOOKS;
  });
  assert.ok(sent < 64_000_000, `${sent} bytes on their way`);
  attack.proxy.deps.registry.stop();
  await attack.proxy.idle();
  socket.destroy();
});
