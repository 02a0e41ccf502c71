import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { LocalTls } from '../../src/proxy/local-tls.ts';
import { startAttack } from '../support/after-attack.ts';
import { createLocalTls, directTls, requestTls } from '../support/local-tls.ts';
import { createMemoryLog } from '../support/log.ts';
import { connectPg, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

/** The serial number of the certificate that a new client is shown. */
async function shown(proxy: TestProxy, ca: string): Promise<string> {
  const socket = await requestTls(proxy.dial(), { ca });
  const { serialNumber } = socket.getPeerCertificate();
  await closed(socket);
  return serialNumber;
}

async function closed(socket: TLSSocket): Promise<void> {
  socket.destroy();
  await once(socket, 'close');
}

test('a renewed certificate is shown to new clients, and no session is lost by it, under load', async () => {
  await using local = await createLocalTls();
  await using attack = await startAttack({ localTls: local.tls });
  const ca = local.authority.certPem;
  const options = { host: 'localhost', ssl: { ca } };
  const before = await shown(attack.proxy, ca);
  await using old = await connectPg(attack.proxy.port, options);
  const renewal = new AbortController();
  const load = Array.from({ length: 8 }, async () => {
    while (!renewal.signal.aborted) {
      await using one = await connectPg(attack.proxy.port, options);
      await one.client.query('select 1');
    }
  });
  let last = before;
  for (let round = 0; round < 5; round += 1) {
    await local.renew();
    // A look at the files that another client had begun may have been too early.
    await until('the new certificate', async () => (await shown(attack.proxy, ca)) !== last);
    last = await shown(attack.proxy, ca);
  }
  renewal.abort();
  await Promise.all(load);
  await old.client.query('select 1');
  await old[Symbol.asyncDispose]();
  await attack.assertUnharmed();
});

test('a broken replacement leaves the old certificate, and is told once, until it is mended', async () => {
  await using local = await createLocalTls();
  await using attack = await startAttack({ localTls: local.tls });
  const ca = local.authority.certPem;
  const before = await shown(attack.proxy, ca);
  const warnings = (): unknown[] =>
    local.log.lines.filter(({ level }) => level === 40).map(({ error }) => error);
  const expectKept = async (problem: RegExp): Promise<void> => {
    const count = warnings().length;
    for (let round = 0; round < 3; round += 1) assert.equal(await shown(attack.proxy, ca), before);
    assert.equal(warnings().length, count + 1, 'told once');
    assert.equal(local.log.lines.length, warnings().length, 'no word of a new certificate');
    assert.match(String(warnings().at(-1)), problem);
  };
  await writeFile(local.certFile, 'not yet');
  await expectKept(/server\.crt: no certificate in it/);
  const next = await local.authority.issue({ dnsNames: ['localhost'] });
  await writeFile(local.certFile, next.certPem);
  await expectKept(/server\.key: the key does not belong/);
  await writeFile(local.keyFile, next.keyPem);
  await chmod(local.keyFile, 0o644);
  await expectKept(/other users of this machine/);
  await chmod(local.keyFile, 0o600);
  assert.notEqual(await shown(attack.proxy, ca), before);
  assert.match(
    String((await local.log.find('local-tls', ({ level }) => level === 30))['msg']),
    /valid until/,
  );
  await attack.assertUnharmed();
});

test('an expired certificate is shown all the same, with a warning in the log', async () => {
  await using local = await createLocalTls();
  await using attack = await startAttack({ localTls: local.tls });
  await local.renew({ dnsNames: ['localhost'], notAfter: new Date(Date.now() - 86_400_000) });
  const socket = await requestTls(attack.proxy.dial(), { rejectUnauthorized: false });
  assert.equal(socket.authorizationError, 'CERT_HAS_EXPIRED');
  await closed(socket);
  assert.match(String((await local.log.find('local-tls', ({ level }) => level === 40))['msg']), /expired on/);
  await attack.assertUnharmed();
});

test('the files are looked at no more often than every few seconds', async () => {
  await using local = await createLocalTls();
  const log = createMemoryLog();
  const tls = await LocalTls.load(local, log.log);
  const { signal } = new AbortController();
  const first = await tls.current(signal);
  await local.renew();
  assert.equal(await tls.current(signal), first);
  assert.notEqual(await local.tls.current(signal), first);
});

test('a client resumes its TLS session, and begins anew when the certificate has changed', async () => {
  await using local = await createLocalTls();
  await using attack = await startAttack({ localTls: local.tls });
  const ca = local.authority.certPem;
  const alpn = { ca, ALPNProtocols: ['postgresql'], maxVersion: 'TLSv1.2' } as const;
  const first = await directTls(attack.proxy.dial(), alpn);
  const session = first.getSession();
  await closed(first);
  assert.ok(session);
  const second = await directTls(attack.proxy.dial(), { ...alpn, session });
  assert.equal(second.isSessionReused(), true);
  await closed(second);
  await local.renew();
  const third = await directTls(attack.proxy.dial(), { ...alpn, session });
  assert.equal(third.isSessionReused(), false);
  await closed(third);
  await attack.assertUnharmed();
});
