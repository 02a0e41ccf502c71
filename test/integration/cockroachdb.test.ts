import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { decodeStartupPacket, lastParameter } from '../../src/protocol/startup.ts';
import { createTestFiles } from '../support/files.ts';
import { fatal, WELCOME } from '../support/messages.ts';
import { runProgram } from '../support/program.ts';
import { startListening } from '../support/running-program.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { WireClient } from '../support/wire.ts';

const HOST = 'cockroach.example.com';
const APPLICATION_ID = '66666666-7777-4888-9999-aaaaaaaaaaaa';

/** What CockroachDB does with a JWT login: looks for the option, asks for a password, verifies the JWT. */
async function startCockroach() {
  const authority = await createCertificateAuthority("the cluster's own CA");
  const certificate = await authority.issue({ dnsNames: [HOST] });
  const server = await ScriptedServer.start({ cert: certificate.certPem, key: certificate.keyPem });
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const seen = { user: '', options: '' };
  server.script = async (connection) => {
    const startup = decodeStartupPacket(await connection.acceptStartup());
    assert.equal(startup.kind, 'startup');
    seen.user = String(lastParameter(startup.parameters, 'user'));
    seen.options = String(lastParameter(startup.parameters, 'options'));
    assert.equal(startup.parameters.filter(({ name }) => name === 'options').length, 1);
    const isJwtLogin = seen.options.split(' ').includes('--crdb:jwt_auth_enabled=true');
    const token = await connection.askForToken();
    const verified = jwtVerify(token, publicKey, { audience: APPLICATION_ID, requiredClaims: ['exp'] });
    const isValid = isJwtLogin && (await verified.then(() => true).catch(() => false));
    if (!isValid) {
      connection.send(fatal('28000', 'JWT authentication: invalid token'));
      return connection.end();
    }
    connection.send(WELCOME);
    await connection.serve();
  };
  const sign = (claims: Record<string, unknown>, key = privateKey): Promise<string> =>
    new SignJWT({ aud: APPLICATION_ID, upn: 'maxroach', ...claims })
      .setProtectedHeader({ alg: 'RS256' })
      .setExpirationTime('1h')
      .sign(key);
  return { server, seen, sign, caPem: authority.certPem };
}

test('cockroachdb: the login says that a JWT comes, beside what the client itself asks for, and the server verifies it', async () => {
  const { server, seen, sign, caPem } = await startCockroach();
  await using _server = server;
  await using files = await createTestFiles();
  const token = await files.write('token', await sign({}));
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(server.port)];
  const identity = ['--credential', 'token-file', '--token-file', token];
  const ca = await files.write('ca.pem', caPem);
  await using program = await startListening([
    HOST,
    '--preset',
    'cockroachdb',
    '--ca',
    ca,
    ...upstream,
    ...identity,
    // Its test login is one like all others.
    '--fail-fast',
  ]);
  for (const [options, expected] of [
    [{}, '--crdb:jwt_auth_enabled=true'],
    [{ options: '-c statement_timeout=5s' }, '-c statement_timeout=5s --crdb:jwt_auth_enabled=true'],
  ] as const) {
    const client = new WireClient(connect(program.port, '127.0.0.1'));
    client.startUp(options);
    await client.wait('Z');
    assert.deepEqual(seen, { user: 'maxroach', options: expected });
    client.socket.destroy();
  }

  await program.find('ready');
  assert.doesNotMatch(program.stderr, /"event":"audience"/);

  const strangers = await generateKeyPair('RS256');
  for (const bad of [await sign({ aud: 'another' }), await sign({}, strangers.privateKey)]) {
    await files.write('bad-token', bad);
    const withBadToken = ['--credential', 'token-file', '--token-file', `${files.directory}/bad-token`];
    const args = [HOST, '--preset', 'cockroachdb', '--ca', ca, ...upstream, ...withBadToken];
    await using refused = await startListening(args);
    const client = new WireClient(connect(refused.port, '127.0.0.1'));
    client.startUp();
    assert.equal((await client.waitError()).message, 'JWT authentication: invalid token');
  }
});

test('cockroachdb: its port is 26257, and its own CA and scope have to be said', async () => {
  const { code, stderr } = await runProgram([HOST, '--preset', 'cockroachdb']);
  assert.equal(code, 2);
  assert.match(stderr, /--preset cockroachdb needs --ca/);
  assert.match(stderr, /--preset cockroachdb needs --scope/);
  const args = [
    HOST,
    '--preset',
    'cockroachdb',
    '--ca',
    'system',
    '--scope',
    `api://${APPLICATION_ID}/.default`,
  ];
  await using program = await startListening(args);
  assert.equal(program.listening['upstream'], `${HOST}:26257`);
});
