import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { startPostmaster, stopPostmaster } from '../support/restart.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

test('the program waits for a server that it has reached before', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using program = await startListening(await argumentsFor(server, files));
  await (await connectPg(program.port))[Symbol.asyncDispose]();
  await stopPostmaster(server.postgres);
  const login = connectPg(program.port);
  await program.find('server-away');
  await using restarted = new AsyncDisposableStack();
  restarted.use(await startPostmaster(server.postgres));
  await using waited = await login;
  await waited.client.query('select 1');
  assert.equal(typeof (await program.find('server-back'))['awayMs'], 'number');
});
