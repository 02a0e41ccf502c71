import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { missing, runClient } from '../support/clients.ts';
import { createTestFiles, type TestFiles } from '../support/files.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';

let server: TestServer;
let files: TestFiles;
let directory: string;
let args: string[];

before(async () => {
  server = await startTestServer();
  files = await createTestFiles();
  directory = join(files.directory, 'sockets');
  await mkdir(directory);
  args = [...(await argumentsFor(server, files)), '--unix-socket', directory, '--port', '7432'];
});
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});

test('--unix-socket is served under the name that psql looks for, and gone after SIGTERM', {
  skip: missing('psql'),
}, async () => {
  await using program = await startListening(args);
  assert.equal(program.listening['path'], join(directory, '.s.PGSQL.7432'));
  assert.match(String((await program.find('hint'))['msg']), new RegExp(`"host=${directory} port=7432 `));
  const { stdout } = await runClient('psql', ['-AtXc', 'select 7'], 7432, { PGHOST: directory });
  assert.equal(stdout, '7\n');
  program.child.kill('SIGTERM');
  assert.deepEqual(await program.exit, { code: 0, signal: null });
  assert.deepEqual(readdirSync(directory), []);
});

test('a start that fails after all leaves no socket', async () => {
  const nameless = await files.write('nameless', 'no.claims.here');
  const failing = args.map((arg, index) => (args[index - 1] === '--token-file' ? nameless : arg));
  const { code, stderr } = await runProgram(failing);
  assert.equal(code, 1);
  assert.match(stderr, /"event":"listening"/);
  assert.match(stderr, /"event":"start-failed"/);
  assert.deepEqual(readdirSync(directory), []);
});
