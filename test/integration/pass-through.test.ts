import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import pg from 'pg';
import { encodeCancelRequest } from '../../src/protocol/startup.ts';
import { missing, runClient } from '../support/clients.ts';
import { int32, message, packet } from '../support/messages.ts';
import { passing } from '../support/pass-through.ts';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { TEST_ROLE, TestTokenSource } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { PROTOCOL_3_0, PROTOCOL_3_2, WireClient } from '../support/wire.ts';

/** A role for each method of pg_hba.conf, named like it. */
const METHODS = ['scram-sha-256', 'md5', 'password'];

const CLEARTEXT = 'password';

const PASSWORD = 'its own päßword';

const WHO = 'select current_user, (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as ssl';

/** Fails every fetch: as if Entra were down, and no credential there. */
class NoTokens extends TestTokenSource {
  override async fetchToken(): Promise<never> {
    this.fetches += 1;
    throw new Error('no credential');
  }
}

const clientUsers = passing(...METHODS, 'nobody');

const hba = METHODS.map((method) => `hostssl all ${method} 127.0.0.1/32 ${method}`);

onEachServer(
  (server) => {
    const proxyWithoutTokens = () => proxyTo(server(), { clientUsers, tokens: new NoTokens('') });

    before(async () => {
      for (const method of METHODS) {
        const encryption = method === 'md5' ? 'md5' : 'scram-sha-256';
        await server().postgres.admin(
          `set password_encryption = '${encryption}'; create role "${method}" login password '${PASSWORD}'`,
        );
      }
      await server().postgres.admin(`create database "${CLEARTEXT}"`);
    });

    for (const user of METHODS) {
      test(`pg logs in as itself where the server wants ${user}, and no token is fetched`, async () => {
        const tokens = new NoTokens('');
        await using proxy = await proxyTo(server(), { clientUsers, tokens });
        await using connection = await connectPg(proxy.port, { user, password: PASSWORD });
        const { rows } = await connection.client.query(WHO);
        assert.deepEqual(rows, [{ current_user: user, ssl: true }]);
        await connection[Symbol.asyncDispose]();
        const line = await proxy.log.find('session');
        assert.equal(line['role'], user);
        assert.deepEqual(Object.keys(line['loginMs'] as object), ['dial', 'tls', 'authentication']);
        assert.equal(tokens.fetches, 0);
      });

      test(`psql logs in as itself where the server wants ${user}`, { skip: missing('psql') }, async () => {
        await using proxy = await proxyWithoutTokens();
        const env = { PGUSER: user, PGPASSWORD: PASSWORD };
        const { stdout } = await runClient('psql', ['-wAtc', 'select current_user'], proxy.port, env);
        assert.equal(stdout.trim(), user);
      });

      test(`a wrong password is refused in the server's own words where it wants ${user}`, async () => {
        await using proxy = await proxyWithoutTokens();
        const failing = connectPg(proxy.port, { user, password: 'wrong' });
        await assert.rejects(failing, (error) => {
          assert.ok(error instanceof pg.DatabaseError);
          assert.equal(error.code, '28P01');
          assert.equal(error.message, `password authentication failed for user "${user}"`);
          assert.equal(error.hint, undefined);
          assert.equal(error.file, 'auth.c');
          return true;
        });
        const line = await proxy.log.find('session');
        assert.equal(line['endedBy'], 'server');
      });
    }

    test("psql without a password leaves, which is nobody's fault", { skip: missing('psql') }, async () => {
      await using proxy = await proxyWithoutTokens();
      const failing = runClient('psql', ['-wc', 'select 1'], proxy.port, { PGUSER: 'scram-sha-256' });
      await assert.rejects(failing, /no password supplied/);
      const line = await proxy.log.find('session');
      assert.equal(line['level'], 20);
      assert.match(String(line['msg']), /left before its login was done/);
    });

    test("a role that does not exist is refused in the server's own words", async () => {
      await using proxy = await proxyWithoutTokens();
      const failing = connectPg(proxy.port, { user: 'nobody', password: PASSWORD });
      await assert.rejects(failing, { code: '28P01', hint: undefined });
    });

    test('a user that is not named logs in as the identity, on the same proxy', async () => {
      await using proxy = await proxyTo(server(), { clientUsers });
      await using own = await connectPg(proxy.port, { user: 'md5', password: PASSWORD });
      await using other = await connectPg(proxy.port, { user: 'MD5' });
      assert.equal((await own.client.query(WHO)).rows[0].current_user, 'md5');
      assert.equal((await other.client.query(WHO)).rows[0].current_user, TEST_ROLE);
    });

    test('a client that names no database gets the one of its own name, and may send all in one flight', async () => {
      await using proxy = await proxyWithoutTokens();
      const client = new WireClient(proxy.dial());
      client.send(
        packet(int32(PROTOCOL_3_0), `user\0${CLEARTEXT}\0\0`),
        message('p', `${PASSWORD}\0`),
        message('Q', 'select current_database()\0'),
        message('X'),
      );
      await client.waitEnd();
      assert.deepEqual(
        client.of('D').map(({ body }) => body.toString('utf8', 6)),
        [CLEARTEXT],
      );
    });

    for (const version of [PROTOCOL_3_0, PROTOCOL_3_2]) {
      test(`a query is cancelled (protocol 3.${version & 0xff})`, async () => {
        await using proxy = await proxyWithoutTokens();
        const client = new WireClient(proxy.dial());
        client.startUp({ user: CLEARTEXT }, version);
        await client.wait('R');
        client.send(message('p', `${PASSWORD}\0`));
        const { body: key } = await client.wait('K');
        client.query('select pg_sleep(60)');
        await until('the query to run', async () => {
          const sql =
            "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
          return (await server().postgres.admin(sql)).length > 0;
        });
        new WireClient(proxy.dial()).send(encodeCancelRequest(key));
        assert.equal((await client.waitError()).sqlState, '57014');
        client.socket.destroy();
      });
    }

    test('a client that insists on channel binding is told to turn it off', async () => {
      await using proxy = await proxyWithoutTokens();
      const user = 'scram-sha-256';
      const failing = connectPg(proxy.port, { user, password: PASSWORD, enableChannelBinding: true });
      await assert.rejects(failing, (error) => {
        assert.ok(error instanceof pg.DatabaseError);
        assert.equal(error.message, 'SCRAM channel binding negotiation error');
        assert.match(error.detail ?? '', /thinks the server does not/);
        assert.match(error.hint ?? '', /Turn it off in the client/);
        return true;
      });
    });
  },
  { hba },
);
