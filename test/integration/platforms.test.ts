import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exec } from '../../src/commands/exec.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { argumentsFor } from '../support/running-program.ts';

/** Ends with 0 if the proxy is on a port of this machine, and has a password. */
const IS_PORT =
  "process.exit(process.env.PGHOST === '127.0.0.1' && process.env.PGPASSWORD !== undefined ? 0 : 9)";

test('on Windows exec takes a port of its own, as with --tcp', async () => {
  const server = await startTestServer();
  await using _postgres = server.postgres;
  await using files = await createTestFiles();
  const [, , ...flags] = await argumentsFor(server, files);
  const pairs = flags.flatMap((word, index) =>
    word.startsWith('--') ? [[word.slice(2), flags[index + 1]]] : [],
  );
  const config = loadConfig([SERVER_NAME], Object.fromEntries(pairs), {});
  const command = [process.execPath, '-e', IS_PORT];
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'win32' });
  try {
    assert.equal(await exec(config, { command, tcp: false, urlName: undefined, env: {}, version: '0' }), 0);
  } finally {
    Object.defineProperty(process, 'platform', { value: platform });
  }
  assert.equal(await exec(config, { command, tcp: false, urlName: undefined, env: {}, version: '0' }), 9);
});
