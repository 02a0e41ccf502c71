import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { createTestFiles } from '../support/files.ts';
import type { LogLine } from '../support/log.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { startListening } from '../support/running-program.ts';
import { createTestToken } from '../support/tokens.ts';

const CLIENTS = 30;

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());

test('a pool that is refused again and again gets two lines: the first, and at the end the last with a count', async () => {
  const ca = await files.write('ca.pem', (await createCertificateAuthority('nobody')).certPem);
  const token = await files.write('token', createTestToken());
  const flags = ['--ca', ca, '--credential', 'token-file', '--token-file', token, '--allow-users', 'another'];
  await using program = await startListening(['run', 'db.example.com', ...flags]);
  for (let count = 0; count < CLIENTS; count += 1) {
    const { code } = await refusedLogin(program.port);
    assert.equal(code, '28000');
  }
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 0);
  const lines = program.stderr.trim().split('\n');
  const refusals = lines
    .map((line) => JSON.parse(line) as LogLine)
    .filter(({ sqlState }) => sqlState !== undefined);
  assert.deepEqual(
    refusals.map(({ sessionId, repeated }) => [sessionId, repeated]),
    [
      [1, undefined],
      [CLIENTS, CLIENTS - 1],
    ],
  );
});
