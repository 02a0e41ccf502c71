import assert from 'node:assert/strict';
import { chmod, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createTestFiles } from '../support/files.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { WireClient } from '../support/wire.ts';

test('demo --once logs in through everything, shows it, and leaves nothing behind', async () => {
  await using files = await createTestFiles();
  // As root, the demo's server runs as another user, who has to get in here.
  await chmod(files.directory, 0o755);
  const args = ['demo', '--once', '--port', '0'];
  const { code, stdout, stderr } = await runProgram(args, { TMPDIR: files.directory });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /role\s+demo-app/);
  assert.match(stdout, /TLS\s+TLSv1\.[23]/);
  assert.match(stdout, /token\s+valid until/);
  assert.deepEqual(await readdir(files.directory), []);
});

test('demo stays up for clients until it is stopped, and then everything is gone', async () => {
  await using demo = startProgram(['demo', '--port', '0']);
  await until('the line to paste', () => demo.stdout.includes('psql "host='));
  const port = Number(/port=(\d+) dbname=demo/.exec(demo.stdout)?.[1]);
  const client = new WireClient(connect(port, '127.0.0.1'));
  client.startUp({ database: 'demo' });
  await client.wait('Z');
  client.query('select current_user');
  assert.match((await client.wait('D')).body.toString(), /demo-app$/);
  demo.child.kill('SIGTERM');
  assert.deepEqual(await demo.exit, { code: 0, signal: null });
  await assert.rejects(
    new Promise((resolve, reject) => {
      connect(port, '127.0.0.1').once('connect', resolve).once('error', reject);
    }),
    { code: 'ECONNREFUSED' },
  );
});

test('demo says which arguments it does not take', async () => {
  const { code, stderr } = await runProgram(['demo', 'x', '--twice']);
  assert.equal(code, 2);
  assert.match(stderr, /demo does not take x/);
  assert.match(stderr, /demo does not take --twice/);
});
