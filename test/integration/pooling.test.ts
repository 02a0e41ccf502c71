import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { Client } from 'pg';
import { findFreePort } from '../../src/demo/loopback.ts';
import { encodeCancelRequest } from '../../src/protocol/startup.ts';
import { missing } from '../support/clients.ts';
import {
  missingPgbouncer,
  type RunningPgbouncer,
  startPgbouncer,
  writeForPgbouncer,
} from '../support/pgbouncer.ts';
import {
  connectTo,
  GROUP_ROLE,
  guideBlock,
  NATIVE,
  type PoolingBench,
  startPoolingBench,
  WHO,
  type Who,
} from '../support/pooling.ts';
import { type Program, portsIn } from '../support/program.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const COMMAND = guideBlock('sh', '--port 6433\n');
const INI = guideBlock('ini', '[pgbouncer]');
const USERS = guideBlock('text', '"web"');

const POOL_SIZE = Number(/^default_pool_size = (\d+)$/m.exec(INI)?.[1]);
const WEB = { user: 'web', password: /"web" "([^"]*)"/.exec(USERS)?.[1] ?? '' };

/** The key in BackendKeyData, which pg keeps to itself. */
function cancelKey(client: Client): Buffer {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const key = Buffer.alloc(8);
  key.writeInt32BE(processID, 0);
  key.writeInt32BE(secretKey, 4);
  return key;
}

interface Both extends AsyncDisposable {
  readonly proxy: Program;
  /** PgBouncer's. */
  readonly port: number;
}

describe('PgBouncer before the proxy, as the guide has it', { skip: missingPgbouncer() }, () => {
  let bench: PoolingBench;
  let port: number;

  before(async () => {
    bench = await startPoolingBench();
    port = await findFreePort();
  });

  after(() => bench[Symbol.asyncDispose]());

  const startProxy = (command = COMMAND): Promise<Program> =>
    bench.startProxy(command.replace('6433', String(port)), bench.server.postgres.port);

  async function startPooler(ini = INI, users = USERS): Promise<RunningPgbouncer> {
    const userList = await writeForPgbouncer(bench.files, 'userlist.txt', users);
    const own = ini
      .replace('port=6433', `port=${port}`)
      .replace('listen_port = 6432', 'listen_port = PORT')
      .replace('/etc/pgbouncer/userlist.txt', userList);
    return startPgbouncer(bench.files, 'pgbouncer.ini', own);
  }

  /** Both, with PgBouncer before the proxy. */
  async function startBoth(command?: string, ini?: string, users?: string): Promise<Both> {
    const proxy = await startProxy(command);
    const pooler = await startPooler(ini, users);
    return {
      proxy,
      port: pooler.port,
      async [Symbol.asyncDispose]() {
        await pooler[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  test('a crowd with a password of its own shares a few sessions of the role', async () => {
    await using both = await startBoth();
    const clients = await Promise.all(Array.from({ length: 3 * POOL_SIZE }, () => connectTo(both.port, WEB)));
    const answers = await Promise.all(clients.map((client) => client.query<Who>(WHO)));
    await Promise.all(clients.map((client) => client.end()));
    const rows = answers.flatMap((answer) => answer.rows);
    assert.deepEqual(new Set(rows.map((row) => row.current_user)), new Set([TEST_ROLE]));
    assert.ok(new Set(rows.map(({ pid }) => pid)).size <= POOL_SIZE);
    const stranger = connectTo(both.port, { ...WEB, password: 'wrong' });
    await assert.rejects(stranger, /SASL authentication failed/);
  });

  test('the line for psql gets in', { skip: missing('psql') }, async () => {
    await using both = await startBoth();
    const line = guideBlock('sh', 'user=web').replace('6432', String(both.port)).trim();
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line} -XAtc 'select current_user'`], {
      env: { PATH: process.env['PATH'], PGPASSWORD: WEB.password },
    });
    assert.equal(stdout.trim(), TEST_ROLE);
  });

  test('a query is cancelled through both', async () => {
    await using both = await startBoth(`${COMMAND.trim()} --log-level debug`);
    const client = await connectTo(both.port, WEB);
    const cancelled = assert.rejects(client.query("select 'pooled', pg_sleep(60)"), /canceling statement/);
    await until('the query to run', async () => {
      const sql =
        "select 1 from pg_stat_activity where query like '%pooled%' and state = 'active' and usename <> 'postgres'";
      return (await bench.server.postgres.admin(sql)).length > 0;
    });
    const canceller = connect(both.port, '127.0.0.1');
    canceller.write(encodeCancelRequest(cancelKey(client)));
    // As libpq does: PgBouncer drops the request of a client that leaves too soon.
    await once(canceller.resume(), 'close');
    await cancelled;
    await both.proxy.find('cancel');
    await client.end();
  });

  test('the proxy restarts, and no transaction and no client is lost', async () => {
    await using first = await startProxy();
    await using pooler = await startPooler();
    const [busy, idle] = await Promise.all([connectTo(pooler.port, WEB), connectTo(pooler.port, WEB)]);
    await busy.query('begin');
    await busy.query('create table kept as select 1');
    await idle.query('select 1');
    first.child.kill('SIGTERM');
    await first.find('stopping');
    await busy.query('commit');
    assert.deepEqual(await first.exit, { code: 0, signal: null });
    await until('PgBouncer to have noticed', () => {
      const [opened, closed] = [/ S-\S+ .* new connection/g, / S-\S+ .* closing/g].map(
        (line) => pooler.output().match(line)?.length,
      );
      return opened === closed;
    });
    const waiting = idle.query('select * from kept');
    await using second = await startProxy();
    assert.equal((await waiting).rowCount, 1);
    assert.equal(second.child.exitCode, null);
    await Promise.all([busy, idle].map((client) => client.end()));
  });

  test('which role a client of PgBouncer has is said in the file of the proxy', async () => {
    const yaml = guideBlock('yaml', 'client-users').replace('6433', String(port));
    const config = await bench.files.write('proxy.yaml', `${yaml}  ${NATIVE.user}: { pass-through: true }\n`);
    const [line = ''] = guideBlock('ini', 'in the place of').match(/^app = .*$/m) ?? [];
    const people = [WEB, { ...WEB, user: 'report' }, NATIVE];
    const users = people.map(({ user, password }) => `"${user}" "${password}"\n`).join('');
    const ini = INI.replace(/^app = .*$/m, line);
    await using both = await startBoth(`pg-entra-proxy --config ${config}`, ini, users);
    const roles: string[] = [];
    for (const person of people) {
      const client = await connectTo(both.port, person);
      const { rows } = await client.query<Who>(WHO);
      roles.push(...rows.map((row) => row.current_user));
      await client.end();
    }
    assert.deepEqual(roles, [TEST_ROLE, GROUP_ROLE, NATIVE.user]);
  });

  test('the line of the guide on migrating leads PgBouncer from the server to the proxy', async () => {
    const [line = ''] = guideBlock('ini', 'before:', 'migrating').match(/^app = .*$/m) ?? [];
    await using both = await startBoth(COMMAND, INI.replace(/^app = .*$/m, line));
    const client = await connectTo(both.port, WEB);
    assert.equal((await client.query<Who>(WHO)).rows[0]?.current_user, TEST_ROLE);
    await client.end();
  });
});

test("in PgBouncer's place, the proxy takes its user list", async () => {
  await using bench = await startPoolingBench();
  const users = await bench.files.write('userlist.txt', USERS);
  const command = guideBlock('sh', '--local-users-file', 'migrating').trim();
  const own = command.replace('/etc/pgbouncer/userlist.txt', users);
  await using program = await bench.startProxy(`${own} --port 0`, bench.server.postgres.port);
  const [port = 0] = portsIn(program.stderr);
  const client = await connectTo(port, WEB);
  assert.equal((await client.query<Who>(WHO)).rows[0]?.current_user, TEST_ROLE);
  await client.end();
  await assert.rejects(connectTo(port, { ...WEB, password: 'wrong' }), { code: '28P01' });
});
