import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { ProxyError } from '../../src/errors.ts';
import { tlsServerEndPoint } from '../../src/local/channel-binding.ts';
import type { LocalUsers } from '../../src/local/local-users.ts';
import { missing, runClient } from '../support/clients.ts';
import { type LocalListener, localUsers, startLocalListener } from '../support/local-listener.ts';
import { logInWithPgjdbc, missingPgjdbc } from '../support/pgjdbc.ts';
import { connectPg } from '../support/proxy.ts';

/** Its last characters become another one, and none, in SASLprep. */
const PASSWORD = 'pencil \u00aa\u00ad';

let users: LocalUsers;
let tls: { certPem: string; keyPem: string };
before(async () => {
  users = await localUsers({ app: PASSWORD });
  const authority = await createCertificateAuthority('local listener');
  tls = await authority.issue({ dnsNames: ['localhost'] });
});

const METHODS = ['password', 'scram-sha-256'] as const;

function overTls(channelBinding?: Buffer): Promise<LocalListener> {
  return startLocalListener({ method: 'scram-sha-256', users, tls, channelBinding });
}

function psql({ port }: LocalListener, password: string, env: Record<string, string> = {}) {
  return runClient('psql', ['-wAtc', ';'], port, { PGUSER: 'app', PGPASSWORD: password, ...env });
}

const WRONG = /password authentication failed for user "\w+"\s+HINT: .*--local-users-file/;

for (const method of METHODS) {
  test(`psql logs in with ${method}, with the right password only`, { skip: missing('psql') }, async () => {
    await using listener = await startLocalListener({ method, users });
    await psql(listener, PASSWORD);
    await psql(listener, 'pencil a');
    await assert.rejects(psql(listener, 'wrong'), WRONG);
    await assert.rejects(psql(listener, PASSWORD, { PGUSER: 'nobody' }), WRONG);
    assert.deepEqual(listener.outcomes.map(outcome), ['in', 'in', '28P01', '28P01']);
  });

  test(`psql without a password goes when ${method} asks for one`, { skip: missing('psql') }, async () => {
    await using listener = await startLocalListener({ method, users });
    await assert.rejects(
      runClient('psql', ['-wAtc', ';'], listener.port, { PGUSER: 'app' }),
      /no password supplied/,
    );
    assert.deepEqual(listener.outcomes.map(outcome), ['PeerClosedError']);
  });

  test(`pg logs in with ${method}, with the right password only`, async () => {
    await using listener = await startLocalListener({ method, users });
    const { port } = listener;
    await using connection = await connectPg(port, { user: 'app', password: PASSWORD });
    assert.ok(connection);
    await assert.rejects(connectPg(port, { user: 'app', password: 'wrong' }), { code: '28P01' });
    await assert.rejects(connectPg(port, { user: 'nobody', password: PASSWORD }), { code: '28P01' });
  });
}

test('psql insists on channel binding and gets it, with the right password only', {
  skip: missing('psql'),
}, async () => {
  await using listener = await overTls(tlsServerEndPoint(tls.certPem));
  const bound = { PGSSLMODE: 'require', PGCHANNELBINDING: 'require' };
  await psql(listener, PASSWORD, bound);
  await psql(listener, PASSWORD, { PGSSLMODE: 'require', PGCHANNELBINDING: 'disable' });
  await assert.rejects(psql(listener, 'wrong', bound), WRONG);
});

test('psql that is bound to another certificate is refused', { skip: missing('psql') }, async () => {
  await using listener = await overTls(Buffer.alloc(32));
  const failing = psql(listener, PASSWORD, { PGSSLMODE: 'require', PGCHANNELBINDING: 'require' });
  await assert.rejects(failing, /SCRAM channel binding check failed\s+HINT: .*--local-tls-cert/);
});

test('over TLS without SCRAM-SHA-256-PLUS, psql logs in unless it insists on it', {
  skip: missing('psql'),
}, async () => {
  await using listener = await overTls();
  await psql(listener, PASSWORD, { PGSSLMODE: 'require' });
  const insisting = psql(listener, PASSWORD, { PGSSLMODE: 'require', PGCHANNELBINDING: 'require' });
  await assert.rejects(insisting, /did not offer|channel binding is required/);
});

for (const enableChannelBinding of [true, false]) {
  test(`pg logs in over TLS with channel binding ${enableChannelBinding ? 'on' : 'off'}`, async () => {
    await using listener = await overTls(tlsServerEndPoint(tls.certPem));
    const options = { user: 'app', ssl: { rejectUnauthorized: false }, enableChannelBinding };
    await using connection = await connectPg(listener.port, { ...options, password: PASSWORD });
    assert.ok(connection);
    await assert.rejects(connectPg(listener.port, { ...options, password: 'wrong' }), { code: '28P01' });
  });
}

test('pgjdbc logs in with each method, with the right password only', { skip: missingPgjdbc() }, async () => {
  await using password = await startLocalListener({ method: 'password', users });
  await using scram = await startLocalListener({ method: 'scram-sha-256', users });
  await using bound = await overTls(tlsServerEndPoint(tls.certPem));
  const logins = [
    `jdbc:postgresql://127.0.0.1:${password.port}/app?sslmode=disable`,
    `jdbc:postgresql://127.0.0.1:${scram.port}/app?sslmode=disable`,
    `jdbc:postgresql://127.0.0.1:${bound.port}/app?sslmode=require&channelBinding=require`,
  ].flatMap((url): [string, string][] => [
    [url, PASSWORD],
    [url, 'wrong'],
  ]);
  assert.deepEqual(await logInWithPgjdbc(logins), ['in', '28P01', 'in', '28P01', 'in', '28P01']);
});

function outcome(error: unknown): string {
  if (error === undefined) return 'in';
  return error instanceof ProxyError ? error.sqlState : (error as Error).name;
}
