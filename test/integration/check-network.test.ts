import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import { certify, createChain, keyPemOf } from '../support/certificate-chain.ts';
import { ALL_WELL, type CheckResult, check, NOT_REACHED } from '../support/check.ts';
import { createTestFiles } from '../support/files.ts';
import { fatal, SSL_REQUEST } from '../support/messages.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { closedPort, type Script, ScriptedServer, welcome } from '../support/scripted-server.ts';
import { createTestToken } from '../support/tokens.ts';

const DAY_MS = 86_400_000;

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());
const authority = await createCertificateAuthority('the right authority');
const token = createTestToken();
const identity = ['--credential', 'token-file', '--token-file', await files.write('token', token)];
const local = ['--port', '0', '--ca', await files.write('ca.pem', authority.certPem)];

/** A server whose certificate is as it should be. */
async function startServer(
  request: Parameters<Authority['issue']>[0] = { dnsNames: [SERVER_NAME] },
  issuer = authority,
): Promise<ScriptedServer> {
  const { certPem, keyPem } = await issuer.issue({
    notAfter: new Date(Date.now() + 365 * DAY_MS),
    ...request,
  });
  return ScriptedServer.start({ cert: certPem, key: keyPem });
}

/** @param port - of 127.0.0.1. */
function look(port: number, ...args: readonly string[]): Promise<CheckResult> {
  const upstream = [SERVER_NAME, '--upstream-address', '127.0.0.1', '--upstream-port', String(port)];
  return check([...upstream, ...identity, ...local, ...args], [token]);
}

/** That nothing but the wish for TLS has reached the server. */
function assertKeptToHandshakes(server: ScriptedServer): void {
  for (const { heard, passwords } of server.connections) {
    assert.deepEqual(passwords, []);
    assert.ok(heard.length === 0 || heard.equals(SSL_REQUEST), `the server has heard ${heard.length} bytes`);
  }
  assert.deepEqual(server.failures, []);
}

test('a name that does not resolve fails, and all that does not need it is looked at still', async () => {
  const result = await check(['nowhere.invalid', ...identity, ...local], [token]);
  const skipped = { tcp: 'skipped', 'ssl-request': 'skipped', tls: 'skipped' };
  assert.deepEqual(result.statuses, { ...NOT_REACHED, dns: 'failed', ...skipped });
  assert.equal(result.code, 1);
  assert.match(result.step('dns').summary, /^could not resolve (?:the server name )?"nowhere\.invalid"/);
  assert.match(result.repair('dns'), /--upstream-address/);
});

test('a port that nobody listens on fails', async () => {
  const port = await closedPort();
  const result = await look(port);
  assert.deepEqual(result.statuses, {
    ...NOT_REACHED,
    tcp: 'failed',
    'ssl-request': 'skipped',
    tls: 'skipped',
  });
  assert.equal(result.step('tcp').summary, `the server at 127.0.0.1:${port} refused the connection`);
  assert.match(result.repair('tcp'), /--upstream-port/);
  assert.equal(result.code, 1);
});

/** What something that is no PostgreSQL with TLS does with an SSLRequest. */
const STRANGERS: Readonly<Record<string, { script: Script; says: RegExp; answer?: RegExp }>> = {
  'a server without TLS': {
    script: async (connection) => {
      await connection.readSslRequest();
      connection.send(Buffer.from('N'));
    },
    says: /does not offer TLS/,
    answer: /^"N"$/,
  },
  'a web server': {
    script: async (connection) => {
      await connection.readSslRequest();
      connection.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
      connection.end();
    },
    says: /does not speak PostgreSQL/,
    answer: /^"HTTP\/1\.1 400 Bad Request"$/,
  },
  'an SSH server, whose greeting begins like a yes': {
    script: async (connection) => connection.send(Buffer.from('SSH-2.0-OpenSSH_9.9\r\n')),
    says: /plaintext behind its answer/,
    answer: /^"SSH-2\.0-OpenSSH_9\.9"$/,
  },
  'a server that has no room': {
    script: async (connection) => {
      await connection.readSslRequest();
      connection.send(fatal('53300', 'sorry, too many clients already'));
      connection.end();
    },
    says: /answered SSLRequest with an error/,
    answer: /too many clients already/,
  },
  'a server that hangs up': {
    script: async (connection) => connection.end(),
    says: /closed the connection when asked for TLS/,
  },
};

for (const [who, { script, says, answer }] of Object.entries(STRANGERS)) {
  test(`${who} fails at SSLRequest, and what it answered is shown`, async () => {
    await using server = await startServer();
    server.script = script;
    const result = await look(server.port);
    assert.deepEqual(result.statuses, { ...NOT_REACHED, 'ssl-request': 'failed', tls: 'skipped' });
    assert.match(result.step('ssl-request').summary, says);
    assert.match(result.repair('ssl-request'), /--upstream-address/);
    if (answer !== undefined) assert.match(result.facts('ssl-request', 'answer').join(), answer);
  });
}

test('a server that takes the connection and says nothing fails after --connect-timeout', async () => {
  await using server = await startServer();
  server.script = (connection) => connection.untilGone();
  const result = await look(server.port, '--connect-timeout', '300ms');
  assert.deepEqual(result.statuses, { ...NOT_REACHED, 'ssl-request': 'failed', tls: 'skipped' });
  assert.match(result.step('ssl-request').summary, /within the connect timeout/);
});

test('a handshake that comes to nothing fails after --connect-timeout', async () => {
  await using server = await startServer();
  server.script = async (connection) => {
    await connection.readSslRequest();
    connection.send(Buffer.from('S'));
    await connection.untilGone();
  };
  const result = await look(server.port, '--connect-timeout', '300ms');
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.match(result.step('tls').summary, /within the connect timeout/);
});

test('of an authority that is not trusted the chain is shown, unverified, and no byte follows the handshake', async () => {
  const stranger = await createCertificateAuthority('Contoso TLS inspection');
  await using server = await startServer({ dnsNames: [SERVER_NAME] }, stranger);
  server.script = welcome;
  const result = await look(server.port);
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.match(result.step('tls').summary, /does not come from a trusted root/);
  assert.deepEqual(result.facts('tls', 'seen'), ['over TLSv1.3, nothing of it verified:']);
  assert.match(result.facts('tls', 'certificate').join(), /issued by Contoso TLS inspection, valid until/);
  assert.match(
    result.repair('tls'),
    /The chain ends in "Contoso TLS inspection"\. If that is your network's TLS/,
  );
  assertKeptToHandshakes(server);
});

test('a certificate for another name fails, and its names are shown', async () => {
  await using server = await startServer({ dnsNames: ['db.example.com', '*.example.org'] });
  const result = await look(server.port);
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.equal(result.step('tls').summary, `the server's certificate is not for "${SERVER_NAME}"`);
  assert.deepEqual(result.facts('tls', 'for'), ['db.example.com, *.example.org']);
  assert.match(result.repair('tls'), /--server-name/);
  assertKeptToHandshakes(server);
  const right = await look(server.port, '--server-name', 'db.example.com');
  assert.equal(right.step('tls').status, 'ok');
});

test('a certificate that has expired fails, and it is shown since when', async () => {
  await using server = await startServer({
    dnsNames: [SERVER_NAME],
    notAfter: new Date(Date.now() - 3.5 * DAY_MS),
  });
  const result = await look(server.port);
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.match(result.step('tls').summary, /has expired/);
  assert.match(result.facts('tls', 'certificate').join(), /EXPIRED \S+ \(3 days ago\)$/);
  assertKeptToHandshakes(server);
});

test('a certificate that ends within 30 days is a warning, also that of an intermediate authority', async () => {
  await using soon = await startServer({
    dnsNames: [SERVER_NAME],
    notAfter: new Date(Date.now() + 29.5 * DAY_MS),
  });
  soon.script = welcome;
  const result = await look(soon.port);
  assert.equal(result.step('tls').status, 'warning');
  assert.match(result.step('tls').summary, /but the certificate expires \S+ \(in 29 days\)$/);
  assert.equal(result.step('login').status, 'ok');
  assert.equal(result.code, 0);
  const chain = await createChain(SERVER_NAME);
  const later = { notAfter: new Date(Date.now() + 300 * DAY_MS) };
  const own = { isAuthority: false, dnsName: SERVER_NAME, ...later };
  const cert = (await certify(chain.server, chain.intermediate, own)) + chain.intermediatePem;
  await using server = await ScriptedServer.start({ cert, key: keyPemOf(chain.server) });
  server.script = welcome;
  const ca = await files.write('root.pem', await certify(chain.root, chain.root, later));
  const upstream = [SERVER_NAME, '--upstream-address', '127.0.0.1', '--upstream-port', String(server.port)];
  const through = await check([...upstream, ...identity, '--port', '0', '--ca', ca], [token]);
  assert.match(through.step('tls').summary, /but the certificate of Intermediate expires/);
  assert.match(through.facts('tls', 'signed by').join(), /^Intermediate, issued by Root,/);
  assert.match(through.facts('tls', 'root').join(), /^Root, issued by itself,/);
});

test('a pin that no key of the chain has fails, and the chain is shown', async () => {
  await using server = await startServer();
  const result = await look(server.port, '--pin', `sha256/${Buffer.alloc(32).toString('base64')}`);
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.match(result.step('tls').summary, /--pin/);
  assert.match(result.facts('tls', 'certificate').join(), /issued by the right authority/);
  assertKeptToHandshakes(server);
});

test('a server that is too old for --tls-min fails, and it is shown what it speaks', async () => {
  await using server = await startServer();
  server.tls = { ...server.tls, maxVersion: 'TLSv1.2' };
  const result = await look(server.port, '--tls-min', '1.3');
  assert.deepEqual(result.statuses, { ...NOT_REACHED, tls: 'failed' });
  assert.match(result.step('tls').summary, /no TLS version in common/);
  assert.deepEqual(result.facts('tls', 'seen'), ['over TLSv1.2, nothing of it verified:']);
  server.script = welcome;
  const result12 = await look(server.port);
  assert.match(result12.step('tls').summary, /^TLSv1\.2, verified to be/);
  assert.deepEqual({ ...result12.statuses, role: 'ok', server: 'ok' }, ALL_WELL);
});
