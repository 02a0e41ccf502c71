import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { encodeCancelRequest } from '../../src/protocol/startup.ts';
import { createTestFiles } from '../support/files.ts';
import { startForwarder } from '../support/forwarder.ts';
import { startTestServer } from '../support/postgres.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { until } from '../support/wait.ts';
import { PROTOCOL_3_0, PROTOCOL_3_2, WireClient } from '../support/wire.ts';
import { linesOf, startWorkers, workersOfSessions } from '../support/workers.ts';

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

async function running(): Promise<number> {
  const rows = await server.postgres.admin(
    "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'",
  );
  return rows.length;
}

/** Asks for a cancellation on a connection of its own, and waits for the close that is its answer. */
async function cancel(port: number, key: Buffer): Promise<void> {
  const canceller = new WireClient(connect({ host: '127.0.0.1', port }));
  canceller.send(encodeCancelRequest(key));
  await canceller.waitEnd();
  assert.equal(canceller.messages.length, 0, 'a cancellation has no answer');
}

for (const [name, version] of [
  ['a 4-byte', PROTOCOL_3_0],
  ['a long', PROTOCOL_3_2],
] as const) {
  test(`a query is cancelled with ${name} key, in whichever worker the request comes up`, async () => {
    await using program = await startWorkers(server, files, 3);
    const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
    client.startUp({}, version);
    const { body: key } = await client.wait('K');
    for (let round = 1; round <= 6; round += 1) {
      client.query('select pg_sleep(60)');
      await until('the query to run', async () => (await running()) === 1);
      await cancel(program.port, key);
      await client.wait('E', round);
      await client.wait('Z', round + 1);
    }
    await until('the log of each', () => linesOf(program, 'cancel').length === 6);
    const workers = linesOf(program, 'cancel').map((line) => line['worker']);
    const [own] = workersOfSessions(program).values();
    assert.ok(
      workers.length === 6 && !workers.includes(own),
      `${String(workers)}, and the session in ${own}`,
    );
    client.socket.destroy();
  });
}

test('a cancellation goes to where its session lives, whatever the configuration says by now; an unknown key to the server', async () => {
  await using old = await startForwarder(server.postgres.port);
  await using present = await startForwarder(server.postgres.port);
  const config = await files.write('cancel.yaml', `upstream-port: ${old.port}\n`);
  const args = await argumentsFor(server, files);
  args.splice(args.indexOf('--upstream-port'), 2);
  const flags = ['--config', config, '--warm', '0', '--workers', '3', '--log-level', 'debug'];
  await using program = await startListening([...args, ...flags]);
  const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
  client.startUp();
  const { body: key } = await client.wait('K');
  await files.write('cancel.yaml', `upstream-port: ${present.port}\n`);
  program.child.kill('SIGHUP');
  await program.find('reloaded');
  for (let round = 1; round <= 3; round += 1) {
    client.query('select pg_sleep(60)');
    await until('the query to run', async () => (await running()) === 1);
    await cancel(program.port, key);
    await client.wait('E', round);
    await client.wait('Z', round + 1);
  }
  assert.deepEqual([old.opened, present.opened], [4, 0]);
  await cancel(program.port, Buffer.alloc(8, 1));
  assert.deepEqual([old.opened, present.opened], [4, 1]);
  client.socket.destroy();
});

test('many cancellations at once each end the query that they are for, and no other', async () => {
  await using program = await startWorkers(server, files, 3);
  const clients = Array.from({ length: 9 }, () => {
    const client = new WireClient(connect({ host: '127.0.0.1', port: program.port }));
    client.startUp();
    return client;
  });
  const keys = await Promise.all(clients.map(async (client) => (await client.wait('K')).body));
  for (const client of clients) client.query('select pg_sleep(60)');
  await until('all queries to run', async () => (await running()) === 9);
  await Promise.all(keys.slice(0, 6).map((key) => cancel(program.port, key)));
  await Promise.all(clients.slice(0, 6).map((client) => client.wait('E')));
  assert.equal(await running(), 3);
  for (const client of clients.slice(6)) assert.equal(client.of('E').length, 0);
  for (const { socket } of clients) socket.destroy();
});
