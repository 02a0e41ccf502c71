import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { test } from 'node:test';
import { createOtlpTracer, type OtlpTracer } from '../../src/proxy/otlp-tracer.ts';
import { Availability } from '../../src/upstream/availability.ts';
import { startAttack } from '../support/after-attack.ts';
import { createMemoryLog, type MemoryLog } from '../support/log.ts';
import { fatal } from '../support/messages.ts';
import { SERVER_NAME } from '../support/postgres.ts';
import { connectPg } from '../support/proxy.ts';
import { refusedLogin } from '../support/raw-client.ts';
import { closedPort, type Script, welcome } from '../support/scripted-server.ts';
import { startTraceReceiver } from '../support/trace-receiver.ts';

const SDK = /[\\/]node_modules[\\/]@opentelemetry[\\/](?!api[\\/])/;
const loaded: string[] = [];
registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context);
    if (SDK.test(found.url)) loaded.push(specifier);
    return found;
  },
});

/** The SDK reads its variables from the process's own environment. */
async function startTracer(url: string, log: MemoryLog, timeoutMs = 10_000): Promise<OtlpTracer> {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url;
  process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'deployment.environment.name=test';
  process.env['OTEL_BSP_SCHEDULE_DELAY'] = '20';
  process.env['OTEL_EXPORTER_OTLP_TIMEOUT'] = String(timeoutMs);
  const tracer = await createOtlpTracer('1.2.3', log.log);
  assert.ok(tracer);
  return tracer;
}

const starting: Script = async (connection) => {
  await connection.acceptStartup();
  await connection.flush(fatal('57P03', 'the database system is starting up'));
  connection.end();
};

test("nothing of OpenTelemetry's SDK is loaded unless traces are asked for", async () => {
  const { log } = createMemoryLog();
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
  assert.equal(await createOtlpTracer('1.2.3', log, {}), undefined);
  assert.equal(await createOtlpTracer('1.2.3', log, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }), undefined);
  assert.equal(await createOtlpTracer('1.2.3', log, { ...endpoint, OTEL_SDK_DISABLED: 'true' }), undefined);
  assert.equal(
    await createOtlpTracer('1.2.3', log, { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }),
    undefined,
  );
  assert.equal(loaded.length, 0, `${loaded.join()} loaded`);
  const tracer = await createOtlpTracer('1.2.3', log, endpoint);
  assert.ok(loaded.includes('@opentelemetry/sdk-trace-base'));
  await tracer?.close();
});

test('a login becomes a trace with a span for each of its parts', async () => {
  await using receiver = await startTraceReceiver();
  const tracer = await startTracer(receiver.url, createMemoryLog());
  await using attack = await startAttack({ tracer });
  await using login = await connectPg(attack.proxy.port, { database: 'app\u0007' });
  await login[Symbol.asyncDispose]();
  const [root] = await receiver.find('login');
  assert.ok(root);
  assert.deepEqual(receiver.spans.map(({ name }) => name).toSorted(), [
    'authentication',
    'dial',
    'login',
    'tls',
    'token',
  ]);
  for (const span of receiver.spans.filter((one) => one !== root)) {
    assert.deepEqual([span.traceId, span.parentSpanId], [root.traceId, root.spanId]);
    assert.ok(BigInt(span.startTimeUnixNano) >= BigInt(root.startTimeUnixNano), `${span.name} starts early`);
    assert.ok(BigInt(span.endTimeUnixNano) <= BigInt(root.endTimeUnixNano), `${span.name} ends late`);
  }
  assert.deepEqual(root.attributes, {
    'db.system.name': 'postgresql',
    'db.namespace': 'app?',
    'server.address': SERVER_NAME,
    'server.port': attack.server.port,
    'pg_entra_proxy.session_id': 1,
    'pg_entra_proxy.login': 'identity',
  });
  assert.equal(receiver.resource['service.name'], 'pg-entra-proxy');
  assert.equal(receiver.resource['service.version'], '1.2.3');
  assert.equal(receiver.resource['deployment.environment.name'], 'test');
  assert.equal(receiver.text.includes(attack.token.slice(0, 12)), false, 'the token left');
  await tracer.close();
});

test('each attempt has its spans, a refusal its SQLSTATE, and neither more text than is good', async () => {
  await using receiver = await startTraceReceiver();
  const tracer = await startTracer(receiver.url, createMemoryLog());
  await using attack = await startAttack({ tracer, availability: new Availability() });
  let count = 0;
  attack.server.script = (connection) => {
    count += 1;
    return (count <= 2 ? starting : welcome)(connection);
  };
  await using login = await connectPg(attack.proxy.port, { database: 'd'.repeat(1_000) });
  await login[Symbol.asyncDispose]();
  await receiver.find('login');
  assert.equal((await receiver.find('dial', 3)).length, 3);
  const attempts = await receiver.find('authentication', 3);
  assert.deepEqual(
    attempts.map(({ status }) => status.code),
    [2, 2, 0],
  );
  assert.equal(attempts[0]?.status.message, 'the database system is starting up');
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    await connection.flush(fatal('3D000', `database "${'d'.repeat(5_000)}" does not exist`));
    connection.end();
  };
  await refusedLogin(attack.proxy.port);
  const [first, refused] = await receiver.find('login', 2);
  assert.equal(String(first?.attributes['db.namespace']).length, 131);
  assert.equal(refused?.attributes['error.type'], '3D000');
  assert.equal(refused?.status.code, 2);
  assert.ok(String(refused?.status.message).length < 1_100);
  await tracer.close();
});

test('a collector that is not there disturbs no session, and is told once', async () => {
  const log = createMemoryLog();
  const tracer = await startTracer(`http://127.0.0.1:${await closedPort()}`, log, 100);
  await using attack = await startAttack({ tracer });
  for (let count = 0; count < 3; count += 1) {
    await using login = await connectPg(attack.proxy.port);
    await login.client.query('select 1');
  }
  const { msg } = await log.find('traces');
  assert.match(String(msg), /^traces cannot be sent: /);
  await tracer.close();
  assert.equal(log.lines.filter(({ event }) => event === 'traces').length, 1);
  await attack.assertUnharmed();
});

test('a collector that never answers holds up neither a session nor the end', async () => {
  await using receiver = await startTraceReceiver(false);
  const tracer = await startTracer(receiver.url, createMemoryLog(), 4_000);
  await using attack = await startAttack({ tracer });
  await using login = await connectPg(attack.proxy.port);
  await login.client.query('select 1');
  await receiver.find('login');
  const start = performance.now();
  await tracer.close();
  assert.ok(performance.now() - start < 3_500);
});
