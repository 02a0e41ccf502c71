import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { encodeCancelRequest } from '../../src/protocol/startup.ts';
import { missing, runClient } from '../support/clients.ts';
import { createLocalTls, directTls, type LocalCertificateFiles, requestTls } from '../support/local-tls.ts';
import { passing } from '../support/pass-through.ts';
import { logInWithPgjdbc, missingPgjdbc } from '../support/pgjdbc.ts';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxyOptions } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { message, WireClient } from '../support/wire.ts';

const PASSES = 'passes';

onEachServer(
  (server) => {
    let local: LocalCertificateFiles;
    let ca: string;
    before(async () => {
      local = await createLocalTls();
      ca = local.authority.certPem;
      const role = `create role ${PASSES} login password 'its own'`;
      await server().postgres.admin(`set password_encryption = 'scram-sha-256'; ${role}`);
    });
    after(() => local[Symbol.asyncDispose]());

    const start = (options: Partial<TestProxyOptions> = {}) =>
      proxyTo(server(), { localTls: local.tls, ...options });

    const psql = (port: number, env: Readonly<Record<string, string>>, ...commands: string[]) =>
      runClient('psql', ['-wAt', ...commands.flatMap((sql) => ['-c', sql])], port, {
        PGHOST: 'localhost',
        PGHOSTADDR: '127.0.0.1',
        PGSSLROOTCERT: local.caFile,
        ...env,
      });

    for (const sslmode of ['prefer', 'require', 'verify-ca', 'verify-full']) {
      test(`psql with sslmode=${sslmode} comes over TLS`, { skip: missing('psql') }, async () => {
        await using proxy = await start();
        const env = { PGSSLMODE: sslmode };
        const { stdout } = await psql(proxy.port, env, '\\conninfo', 'select current_user');
        assert.match(stdout, /TLSv1\.3/);
        assert.ok(stdout.includes(`\n${TEST_ROLE}\n`), stdout);
        assert.equal((await proxy.log.find('session'))['clientTls'], 'TLSv1.3');
      });
    }

    test('psql with sslmode=disable comes in the clear all the same', {
      skip: missing('psql'),
    }, async () => {
      await using proxy = await start();
      await psql(proxy.port, { PGSSLMODE: 'disable' }, 'select 1');
      assert.equal((await proxy.log.find('session'))['clientTls'], undefined);
    });

    test('psql that does not trust the certificate leaves, and the log says so', {
      skip: missing('psql'),
    }, async () => {
      await using proxy = await start();
      const stranger = await local.files.write('stranger.crt', server().authority.certPem);
      const failing = psql(proxy.port, { PGSSLMODE: 'verify-ca', PGSSLROOTCERT: stranger }, 'select 1');
      await assert.rejects(failing, /certificate verify failed/);
      const line = await proxy.log.find('connection');
      assert.equal(line['level'], 40);
      assert.match(String(line['error']), /does not accept the proxy's certificate: .*unknown ca/);
      assert.match(String(line['hint']), /sslrootcert/);
    });

    test('psql that misses its name in the certificate leaves, and the log says so', {
      skip: missing('psql'),
    }, async () => {
      await using proxy = await start();
      const failing = psql(proxy.port, { PGSSLMODE: 'verify-full', PGHOST: '127.0.0.1' }, 'select 1');
      await assert.rejects(failing, /does not match host name/);
      const line = await proxy.log.find('connection');
      assert.match(String(line['msg']), /left as soon as it had TLS: .*--local-tls-cert/);
    });

    test('pgjdbc comes over TLS, either way', { skip: missingPgjdbc() }, async () => {
      await using proxy = await start();
      const url = `jdbc:postgresql://localhost:${proxy.port}/app?sslmode=verify-full&sslrootcert=${local.caFile}`;
      const logins = [url, `${url}&sslNegotiation=direct`].map((one) => [one, 'unused'] as const);
      assert.deepEqual(await logInWithPgjdbc(logins), ['in', 'in']);
      const sessions = proxy.log.lines.filter(({ event }) => event === 'session');
      assert.deepEqual(
        sessions.map(({ clientTls }) => clientTls),
        ['TLSv1.3', 'TLSv1.3'],
      );
    });

    test('COPY passes both ways, byte for byte, through TLS on both sides', async () => {
      await using proxy = await start();
      await using connection = await connectPg(proxy.port, { host: 'localhost', ssl: { ca } });
      const { client } = connection;
      await client.query('create temp table copied (id int, body text)');
      const sent = createHash('sha256');
      const rows = Array.from({ length: 50_000 }, (_, id) => `${id}\t${'x'.repeat(id % 200)}\n`);
      for (const row of rows) sent.update(row);
      await pipeline(Readable.from(rows), client.query(copyFrom('copy copied from stdin')));
      const received = createHash('sha256');
      const out = client.query(copyTo('copy (select * from copied order by id) to stdout'));
      for await (const chunk of out) received.update(chunk as Buffer);
      assert.equal(received.digest('hex'), sent.digest('hex'));
    });

    test('a client with direct TLS and ALPN is served', async () => {
      await using proxy = await start();
      const client = new WireClient(await directTls(proxy.dial(), { ca, ALPNProtocols: ['postgresql'] }));
      client.startUp();
      client.query('select 1');
      await client.wait('D');
      client.socket.end(message('X'));
      assert.equal((await proxy.log.find('session'))['clientTls'], 'TLSv1.3');
    });

    test('a query is cancelled over TLS, with what came over TLS', async () => {
      await using proxy = await start();
      const client = new WireClient(await requestTls(proxy.dial(), { ca, maxVersion: 'TLSv1.2' }));
      client.startUp();
      const { body: key } = await client.wait('K');
      client.query('select pg_sleep(60)');
      await until('the query to run', async () => {
        const sql = "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
        return (await server().postgres.admin(sql)).length > 0;
      });
      const canceller = new WireClient(await requestTls(proxy.dial(), { ca }));
      canceller.send(encodeCancelRequest(key));
      await canceller.waitEnd();
      assert.equal(canceller.messages.length, 0, 'a cancellation has no answer');
      assert.equal((await client.waitError()).sqlState, '57014');
      client.socket.end(message('X'));
      assert.equal((await proxy.log.find('session'))['clientTls'], 'TLSv1.2');
    });

    test('a client that closes its sending side of TLS still gets the whole answer', async () => {
      await using proxy = await start();
      const client = new WireClient(await requestTls(proxy.dial(), { ca }));
      client.startUp();
      await client.wait('Z');
      client.query("select repeat('x', 1000) from generate_series(1, 10000)");
      client.socket.end();
      await client.waitEnd();
      assert.equal(client.of('D').length, 10_000);
      assert.equal(client.of('E').length, 0);
    });

    test('a drain tells a client over TLS 57P01', async () => {
      await using proxy = await start();
      const client = new WireClient(await requestTls(proxy.dial(), { ca }));
      client.startUp();
      await client.wait('Z');
      assert.equal(await proxy.server.drain(60_000), 0);
      assert.equal((await client.waitError()).sqlState, '57P01');
      assert.equal((await proxy.log.find('session'))['reason'], 'drained');
    });

    test('a user that is passed through over TLS is told to turn channel binding off, which helps', {
      skip: missing('psql'),
    }, async () => {
      await using proxy = await start({ clientUsers: passing(PASSES) });
      const env = { PGSSLMODE: 'require', PGUSER: PASSES, PGPASSWORD: 'its own' };
      const failing = psql(proxy.port, env, 'select 1');
      await assert.rejects(failing, /channel binding negotiation error[^]*HINT: .*channel_binding=disable/);
      const { stdout } = await psql(
        proxy.port,
        { ...env, PGCHANNELBINDING: 'disable' },
        'select current_user',
      );
      assert.equal(stdout.trim(), PASSES);
    });
  },
  { hba: [`hostssl all ${PASSES} 127.0.0.1/32 scram-sha-256`] },
);
