import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';

const WHO = `select current_user, current_database() as database, inet_client_addr() is not null as tcp,
  (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as ssl`;

onEachServer((server) => {
  test('the server sees the Entra role over TLS, whatever user and password the client sent', async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port, { user: 'anyone', password: 'unused' });
    const { rows } = await connection.client.query(WHO);
    assert.deepEqual(rows, [{ current_user: TEST_ROLE, database: 'app', tcp: true, ssl: true }]);
  });
});
