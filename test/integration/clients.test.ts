import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { missing, runClient, startClient } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { onEachServer } from '../support/postgres.ts';
import { proxyTo } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

onEachServer((server) => {
  const olderThanServer = async (program: string): Promise<boolean> => {
    const { stdout } = await runClient(program, ['--version'], 0);
    return Number(/\d+/.exec(stdout)?.[0]) < server().postgres.version;
  };

  for (const sslmode of ['disable', 'allow', 'prefer']) {
    test(`psql connects with sslmode=${sslmode} and -w`, { skip: missing('psql') }, async () => {
      await using proxy = await proxyTo(server());
      const { stdout } = await runClient('psql', ['-wAtc', 'select current_user'], proxy.port, {
        PGSSLMODE: sslmode,
      });
      assert.equal(stdout.trim(), TEST_ROLE);
    });
  }

  test('psql with sslmode=require says that the proxy offers no TLS', { skip: missing('psql') }, async () => {
    await using proxy = await proxyTo(server());
    const failing = runClient('psql', ['-wAtc', 'select 1'], proxy.port, { PGSSLMODE: 'require' });
    await assert.rejects(failing, /server does not support SSL, but SSL was required/);
  });

  test('Ctrl-C in psql cancels the query and nothing else', { skip: missing('psql') }, async () => {
    await using proxy = await proxyTo(server());
    const psql = startClient('psql', ['-wAt'], proxy.port);
    const exit = once(psql, 'close');
    let output = '';
    psql.stdout?.on('data', (text) => (output += String(text)));
    psql.stderr?.on('data', (text) => (output += String(text)));
    psql.stdin?.write("select 'sleeping' from pg_sleep(60);\n");
    await until('the query to run', async () => {
      const sql =
        "select 1 from pg_stat_activity where query like '%sleeping%' and state = 'active' and usename <> 'postgres'";
      return (await server().postgres.admin(sql)).length > 0;
    });
    psql.kill('SIGINT');
    psql.stdin?.end("select 'still here';\n");
    await exit;
    assert.match(output, /canceling statement due to user request/);
  });

  test('pg_dump reads a whole database', { skip: missing('pg_dump') }, async (context) => {
    if (await olderThanServer('pg_dump')) {
      context.skip('pg_dump reads no server newer than itself');
      return;
    }
    await using proxy = await proxyTo(server());
    await server().postgres.admin(
      'create table dumped as select * from generate_series(1, 1000) as id',
      'app',
    );
    await server().postgres.admin('grant select on dumped to public', 'app');
    const { stdout } = await runClient('pg_dump', ['-w', '-t', 'dumped'], proxy.port);
    assert.match(stdout, /COPY public\.dumped[^]*\n1000\n/);
    await server().postgres.admin('drop table dumped', 'app');
  });

  test('pgbench runs its own load, prepared and over many connections', {
    skip: missing('pgbench'),
  }, async () => {
    await using proxy = await proxyTo(server());
    await runClient('pgbench', ['-i', '-q', '-s', '1'], proxy.port);
    const { stdout } = await runClient(
      'pgbench',
      ['-S', '-M', 'prepared', '-c', '8', '-t', '200'],
      proxy.port,
    );
    assert.match(stdout, /number of transactions actually processed: 1600\/1600/);
    const each = await runClient('pgbench', ['-S', '-C', '-c', '4', '-t', '10'], proxy.port);
    assert.match(each.stdout, /number of transactions actually processed: 40\/40/);
  });

  test('pg_receivewal streams WAL (physical replication)', {
    skip: missing('pg_receivewal'),
  }, async (context) => {
    if (await olderThanServer('pg_receivewal')) {
      context.skip('pg_receivewal streams from no server newer than itself');
      return;
    }
    await using proxy = await proxyTo(server());
    await using files = await createTestFiles();
    const receiver = startClient('pg_receivewal', ['-w', '-D', files.directory], proxy.port);
    const exit = once(receiver, 'close');
    await until('a WAL segment', async () =>
      (await readdir(files.directory)).some((name) => /^[0-9A-F]{24}/.test(name)),
    );
    assert.equal(await proxy.server.drain(60_000), 0, 'a replication stream does not hold up a drain');
    receiver.kill('SIGINT');
    await exit;
  });

  test('pg_recvlogical streams changes (logical replication)', {
    skip: missing('pg_recvlogical'),
  }, async () => {
    await using proxy = await proxyTo(server());
    const slot = ['-w', '-d', 'app', '--slot', 'changes'];
    await runClient('pg_recvlogical', [...slot, '--create-slot', '-P', 'test_decoding'], proxy.port);
    const receiver = startClient('pg_recvlogical', [...slot, '--start', '-f', '-'], proxy.port);
    const exit = once(receiver, 'close');
    let output = '';
    receiver.stdout?.on('data', (text) => (output += String(text)));
    await server().postgres.admin(
      'create table changed (id int); insert into changed values (42); drop table changed',
      'app',
    );
    await until('the change to arrive', () => output.includes('id[integer]:42'));
    receiver.kill('SIGINT');
    await exit;
    // The server hears of the receiver's end in its own time.
    await until('the slot to be free', () =>
      server()
        .postgres.admin("select pg_drop_replication_slot('changes')", 'app')
        .then(
          () => true,
          () => false,
        ),
    );
  });
});
