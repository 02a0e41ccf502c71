import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type FoundTarget, findTarget } from '../../../../src/commands/connect/find-target.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createCertificateAuthority } from '../../../../src/demo/certificates.ts';
import { createTestFiles } from '../../../support/files.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

async function find(flags: Readonly<Record<string, string | boolean>>, user?: string): Promise<FoundTarget> {
  const servers = 'config' in flags ? [] : ['myserver'];
  const [server] = loadConfig(servers, flags, {}).servers;
  assert.ok(server);
  return findTarget(server, user);
}

const usersFile = await files.write('users', '"app" "x"\n"re""port" "y"\n');
const authority = await createCertificateAuthority('connect tests');
const localhost = await authority.issue({ dnsNames: ['localhost'] });
const named = await authority.issue({ dnsNames: ['*.example', 'db.example'] });
const AUTH = { 'local-auth': 'scram-sha-256', 'local-users-file': usersFile };

async function tlsFlags(certPem: string): Promise<Record<string, string>> {
  const cert = await files.write(`${Math.random()}.crt`, certPem);
  return { 'local-tls-cert': cert, 'local-tls-key': cert };
}

test('by default clients come over TCP, in the clear, without a password, as anyone, to postgres', async () => {
  const { target, remarks } = await find({});
  assert.deepEqual(target, {
    server: 'myserver.postgres.database.azure.com',
    label: 'myserver',
    host: '127.0.0.1',
    port: 6432,
    socket: undefined,
    tls: { mode: 'disable' },
    database: 'postgres',
    user: 'anyone',
    needsPassword: false,
  });
  assert.deepEqual(remarks, [
    'Any user name will do, and no password is needed.',
    'No TLS: the hop stays on this machine.',
  ]);
});

test('the user is the role, where there is one and it is nobody else here', async () => {
  assert.equal((await find({ user: 'Reporting Group' })).target.user, 'Reporting Group');
  const yaml = 'server: x\nuser: a\nclient-users:\n  a: { user: b }\n  anyone: { pass-through: true }\n';
  const config = await files.write('taken.yaml', yaml);
  assert.equal((await find({ config })).target.user, 'anybody');
});

test('the database is --database, or one that is allowed', async () => {
  assert.equal((await find({ database: 'app', 'allow-databases': 'app,b' })).target.database, 'app');
  assert.equal((await find({ 'allow-databases': 'replication,b,c' })).target.database, 'b');
  assert.equal((await find({ 'allow-databases': 'b,postgres' })).target.database, 'postgres');
});

test('with local authentication the user is the first in the file who may connect', async () => {
  const { target, remarks } = await find(AUTH);
  assert.deepEqual([target.user, target.needsPassword], ['app', true]);
  assert.ok(
    remarks.includes(`Users and passwords are those of ${usersFile}: app, re"port.`),
    remarks.join('\n'),
  );
  assert.equal((await find({ ...AUTH, 'allow-users': 're"port' })).target.user, 're"port');
});

test('where the users file cannot be read, a placeholder stands for the user, and the reason is told', async () => {
  const { target, remarks } = await find({ ...AUTH, 'local-users-file': '/nowhere/users' });
  assert.deepEqual([target.user, target.needsPassword], ['YOUR-USER', true]);
  assert.match(remarks.join('\n'), /cannot be read here: .*\/nowhere\/users: ENOENT/);
});

test('--as takes whom the proxy would let in, and nobody else', async () => {
  assert.equal((await find(AUTH, 're"port')).target.user, 're"port');
  await assert.rejects(find(AUTH, 'mallory'), /user "mallory" is not in .*users/);
  await assert.rejects(find({ 'allow-users': 'a,b' }, 'c'), /user "c" may not connect: --allow-users/);
  assert.equal((await find({}, 'whoever')).target.user, 'whoever');
});

test('a client user that is passed through needs its own password; the others are told of', async () => {
  const yaml =
    'server: x\nclient-users:\n  legacy: { pass-through: true }\n  report: { user: Reporting Group }\n  batch: { credential: managed-identity, client-id: x }\n';
  const config = await files.write('users.yaml', yaml);
  const anyone = await find({ config });
  assert.equal(anyone.target.needsPassword, false);
  assert.match(
    anyone.remarks.join('\n'),
    /--as NAME is for them\): legacy \(with its own PostgreSQL password\), report \(role Reporting Group\), batch \(another identity\)\./,
  );
  const legacy = await find({ config }, 'legacy');
  assert.deepEqual([legacy.target.user, legacy.target.needsPassword], ['legacy', true]);
  assert.match(legacy.remarks.join('\n'), /legacy is passed through: the password is its own/);
  assert.doesNotMatch(legacy.remarks.join('\n'), /channel_binding/);
  const overTls = await find({ config, ...(await tlsFlags(localhost.certPem)) }, 'legacy');
  assert.match(overTls.remarks.join('\n'), /channel_binding=disable/);
  const other = await find({ config, ...(await tlsFlags(localhost.certPem)) }, 'report');
  assert.doesNotMatch(other.remarks.join('\n'), /channel_binding/);
});

test('a Unix socket is told by its directory and port; a port beside it comes first', async () => {
  const { target } = await find({ 'unix-socket': '/run/x', port: '7000' });
  const { host, port, socket } = target;
  assert.deepEqual({ host, port, socket }, { host: '/run/x', port: 7000, socket: '/run/x/.s.PGSQL.7000' });
  const full = await find({ 'unix-socket': '/run/x/.s.PGSQL.5', port: '0' });
  assert.deepEqual([full.target.host, full.target.port], ['/run/x', 5]);
  const relative = await find({ 'unix-socket': 'sub' });
  assert.equal(relative.target.host, `${process.cwd()}/sub`);
  const both = await find({ 'unix-socket': '/run/x', address: '127.0.0.1' });
  assert.deepEqual([both.target.host, both.target.socket], ['127.0.0.1', undefined]);
  assert.match(both.remarks.join('\n'), /There is a Unix socket too: \/run\/x\/\.s\.PGSQL\.6432/);
});

test('a port that only the running proxy knows cannot be told', async () => {
  await assert.rejects(find({ port: '0' }), /port 0 is any free one, .*--port N/);
  await assert.rejects(find({ port: '0', 'unix-socket': '/run' }), /port 0 is any free one/);
});

test('on this machine TLS is used where it is offered, without a check, and the way to one is told', async () => {
  const found = await find(await tlsFlags(localhost.certPem + authority.certPem));
  assert.deepEqual(found.target.tls, { mode: 'require' });
  assert.match(found.remarks.join('\n'), /verify-full works too, with host localhost and the CA \/.*\.crt/);
  const elsewhere = await find(await tlsFlags(named.certPem));
  assert.doesNotMatch(elsewhere.remarks.join('\n'), /verify-full/);
});

test('clients on other machines check the certificate, by a name that it has', async () => {
  const remote = { address: '0.0.0.0', 'allow-remote-clients': true, ...AUTH };
  const own = await tlsFlags(named.certPem + authority.certPem);
  const { target } = await find({ ...remote, ...own });
  assert.equal(target.host, 'db.example');
  assert.deepEqual(target.tls, { mode: 'verify-full', rootCert: own['local-tls-cert'] });
  const withoutRoot = await find({ ...remote, ...(await tlsFlags(named.certPem)) });
  assert.deepEqual(withoutRoot.target.tls, { mode: 'verify-full', rootCert: 'CA.pem' });
  assert.match(withoutRoot.remarks.join('\n'), /CA\.pem stands for the CA of \/.*\.crt/);
});

test('a certificate that cannot be read here is no reason to fail', async () => {
  const flags = { 'local-tls-cert': '/nowhere', 'local-tls-key': '/nowhere' };
  assert.deepEqual((await find(flags)).target.tls, { mode: 'require' });
  const remote = { address: '::', 'allow-remote-clients': true, ...AUTH };
  const { target, remarks } = await find({ ...remote, ...flags });
  assert.deepEqual([target.host, target.tls.mode], ['::1', 'verify-full']);
  assert.match(remarks.join('\n'), /From other machines: this machine's name or address in the place of ::1/);
});

test('what crosses the network in the clear is told', async () => {
  const { target, remarks } = await find({ address: '10.0.0.1', 'allow-remote-clients': true, ...AUTH });
  assert.deepEqual([target.host, target.tls], ['10.0.0.1', { mode: 'disable' }]);
  assert.match(remarks.join('\n'), /cross the network in the clear; see --local-tls-cert/);
});

test('a server without a name that is one gets a label all the same', async () => {
  const [server] = loadConfig(['10.0.0.7'], {}, {}).servers;
  assert.ok(server);
  assert.equal((await findTarget(server, undefined)).target.label, 'pg-entra-proxy');
});
