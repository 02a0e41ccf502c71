import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';

test('--exit-when-idle: after the last session, not before the first, and probes are no sessions', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  const args = await argumentsFor(server, files);
  await using program = await startListening([...args, '--exit-when-idle', '300ms']);
  // Stays open, and never says what it wants.
  const probe = connect(program.port, '127.0.0.1')
    .on('error', () => {})
    .resume();
  await once(probe, 'connect');
  {
    await using long = await connectPg(program.port);
    {
      await using short = await connectPg(program.port);
      await short.client.query('select 1');
    }
    // Longer than it may be idle.
    await long.client.query('select pg_sleep(0.5)');
    assert.equal(program.child.exitCode, null);
  }
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
});
