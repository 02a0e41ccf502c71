import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { missing, runClient } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';

onEachServer((server) => {
  /** None of PostgreSQL's own tools that copy a server deals with one that is newer than itself. */
  const isTooOld = async (program: string): Promise<string | false> => {
    const { stdout } = await runClient(program, ['--version'], 0);
    const isOlder = Number(/\d+/.exec(stdout)?.[0]) < server().postgres.version;
    return isOlder && `${program} deals with no server that is newer than itself`;
  };

  test('pg_restore brings back what pg_dump took, each with several sessions', {
    skip: missing('pg_restore'),
  }, async (context) => {
    const reason = await isTooOld('pg_dump');
    if (reason) return context.skip(reason);
    await using proxy = await proxyTo(server());
    await using files = await createTestFiles();
    const dump = join(files.directory, 'app.dir');
    await using connection = await connectPg(proxy.port);
    const tables = ['first', 'second', 'third'];
    const count = `select ${tables.map((name) => `(select count(*) from ${name})`).join(' + ')} as count`;
    for (const name of tables)
      await connection.client.query(`create table ${name} as select generate_series(1, 100) as id`);
    await runClient('pg_dump', ['-w', '-Fd', '-j', '3', '-f', dump], proxy.port);
    await connection.client.query(`drop table ${tables.join(', ')}`);
    await runClient('pg_restore', ['-w', '-j', '3', '-d', 'app', dump], proxy.port);
    assert.equal((await connection.client.query<{ count: string }>(count)).rows[0]?.count, '300');
    await connection.client.query(`drop table ${tables.join(', ')}`);
  });

  test('pg_dumpall takes what may be known without a superuser', {
    skip: missing('pg_dumpall'),
  }, async (context) => {
    const reason = await isTooOld('pg_dumpall');
    if (reason) return context.skip(reason);
    await using proxy = await proxyTo(server());
    const all = ['-w', '--roles-only', '-l', 'app'];
    await assert.rejects(runClient('pg_dumpall', all, proxy.port), /permission denied for table pg_authid/);
    const { stdout } = await runClient('pg_dumpall', [...all, '--no-role-passwords'], proxy.port);
    assert.match(stdout, /CREATE ROLE "alice@contoso\.com"/);
  });

  test('pg_basebackup copies a whole server (physical replication)', {
    skip: missing('pg_basebackup'),
  }, async (context) => {
    const reason = await isTooOld('pg_basebackup');
    if (reason) return context.skip(reason);
    await using proxy = await proxyTo(server());
    await using files = await createTestFiles();
    const copy = join(files.directory, 'copy');
    await runClient('pg_basebackup', ['-w', '-c', 'fast', '-X', 'stream', '-D', copy], proxy.port);
    assert.ok((await readdir(copy)).includes('PG_VERSION'));
  });

  test('pg_isready tells whether the server takes logins', { skip: missing('pg_isready') }, async () => {
    await using proxy = await proxyTo(server());
    const { stdout } = await runClient('pg_isready', [], proxy.port);
    assert.match(stdout, /accepting connections/);
    await proxy.log.find('session');
  });
});
