import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, type RunningProgram, startListening } from '../support/running-program.ts';

const server = await startTestServer();
const files = await createTestFiles();
const args = await argumentsFor(server, files);
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

async function readiness(program: RunningProgram): Promise<number> {
  const { port } = await program.find('admin-listening');
  const { status } = await fetch(`http://127.0.0.1:${String(port)}/readiness`);
  return status;
}

test('--drain-delay: not ready at once, but clients get in until it is over; a second signal ends it', async () => {
  await using program = await startListening([...args, '--drain-delay', '10m', '--admin-port', '0']);
  await program.find('ready');
  await using early = await connectPg(program.port);
  assert.equal(await readiness(program), 200);
  program.child.kill('SIGTERM');
  await program.find('stopping');
  assert.equal(await readiness(program), 503);
  await using late = await connectPg(program.port);
  for (const { client } of [early, late]) assert.equal((await client.query('select 1')).rowCount, 1);
  await late.client.end();
  await early.client.end();
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});

test('--drain-delay over, sessions end as without it', async () => {
  await using program = await startListening([...args, '--drain-delay', '100ms', '--drain-timeout', '10m']);
  await using busy = await connectPg(program.port);
  await busy.client.query('begin');
  program.child.kill('SIGTERM');
  const refused = async (): Promise<string> => {
    // Until the delay is over, clients get in.
    for (;;) {
      const failure = await connectPg(program.port).then(
        (login) => login[Symbol.asyncDispose](),
        (error: NodeJS.ErrnoException) => error,
      );
      if (failure !== undefined) return String(failure.code);
    }
  };
  assert.match(await refused(), /^(?:ECONNREFUSED|ECONNRESET|57P01|57P03)$/);
  await busy.client.query('commit');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.equal((await program.find('stopped'))['cut'], 0);
});

test('idle sessions count as not cut, however short the --drain-timeout', async () => {
  await using program = await startListening([...args, '--drain-timeout', '0']);
  await using idle = await connectPg(program.port);
  const told = once(idle.client, 'error');
  program.child.kill('SIGTERM');
  assert.equal((await told)[0].code, '57P01');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
});
