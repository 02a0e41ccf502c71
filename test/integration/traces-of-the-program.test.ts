import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { missing } from '../support/clients.ts';
import { createTestFiles } from '../support/files.ts';
import { startTestServer } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { connectPg } from '../support/proxy.ts';
import { argumentsFor, startListening } from '../support/running-program.ts';
import { startTraceReceiver } from '../support/trace-receiver.ts';

/** Tells on standard error of each module of OpenTelemetry's SDK that the program loads; others use its API too. */
const HOOK = `
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context);
    const isSdk = /[\\\\/]node_modules[\\\\/]@opentelemetry[\\\\/](?!api[\\\\/])/.test(found.url);
    if (isSdk) writeSync(2, \`loads \${specifier}\\n\`);
    return found;
  },
});
writeSync(2, 'watching modules\\n');
`;

const server = await startTestServer();
const files = await createTestFiles();
after(async () => {
  await files[Symbol.asyncDispose]();
  await server.postgres.stop();
});
const hook = { NODE_OPTIONS: `--import ${pathToFileURL(await files.write('hook.mjs', HOOK)).href}` };

test('the program loads nothing of OpenTelemetry unless a collector is named', async () => {
  await using program = await startListening(await argumentsFor(server, files), hook);
  await using login = await connectPg(program.port);
  await login.client.query('select 1');
  assert.match(program.stderr, /^watching modules$/m);
  assert.doesNotMatch(program.stderr, /^loads /m);
});

test('the program sends the traces of its logins to a collector, the last ones before it ends', async () => {
  await using receiver = await startTraceReceiver();
  const env = { ...hook, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: '600000' };
  await using program = await startListening(await argumentsFor(server, files), env);
  await using login = await connectPg(program.port);
  await login.client.end();
  assert.match(program.stderr, /^loads @opentelemetry\/sdk-trace-base$/m);
  assert.equal(receiver.spans.length, 0);
  program.child.kill('SIGTERM');
  assert.equal((await program.exit).code, 0);
  assert.deepEqual(receiver.spans.map(({ name }) => name).toSorted(), [
    'authentication',
    'dial',
    'login',
    'tls',
    'token',
  ]);
});

test('exec sends the traces of what its command does, too', { skip: missing('psql') }, async () => {
  await using receiver = await startTraceReceiver();
  const [, ...args] = await argumentsFor(server, files);
  const command = ['--', 'psql', '-XAtc', 'select 1'];
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: '600000' };
  const { code, stdout } = await runProgram(['exec', ...args, ...command], env);
  assert.deepEqual([code, stdout], [0, '1\n']);
  assert.ok(receiver.spans.some(({ name }) => name === 'login'));
});
