import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { startPostgres } from '../../src/demo/postgres.ts';
import { connectPg, startProxy } from '../support/proxy.ts';
import { createTestToken, TEST_ROLE, TestTokenSource } from '../support/tokens.ts';
import { WireClient } from '../support/wire.ts';

test('a server that is known by its address alone is verified by that address', async () => {
  const authority = await createCertificateAuthority('a CA of its own');
  await using postgres = await startPostgres(await authority.issue({ ipAddresses: ['127.0.0.1'] }));
  const token = createTestToken();
  const password = escapeLiteral(token);
  await postgres.admin(`create role ${escapeIdentifier(TEST_ROLE)} login password ${password}`);
  const upstream = { port: postgres.port, caPem: authority.certPem };
  const tokens = new TestTokenSource(token);

  await using proxy = await startProxy({ upstream, tokens, serverName: '127.0.0.1' });
  await using connection = await connectPg(proxy.port, { database: 'postgres' });
  assert.equal((await connection.client.query('select 1 as one')).rows.length, 1);

  await using mistaken = await startProxy({ upstream, tokens, serverName: '127.0.0.2' });
  const client = new WireClient(mistaken.dial());
  client.startUp();
  const { sqlState, message } = await client.waitError();
  assert.equal(sqlState, '08001');
  assert.match(message, /certificate is not for "127\.0\.0\.2"/);
});
