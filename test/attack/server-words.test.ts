import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { startAttack } from '../support/after-attack.ts';
import { CLEARTEXT_PASSWORD, int32, message, notice, report, STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';

const ALL_FIELDS = report('E', {
  s: 'public',
  S: 'FATAL',
  V: 'FATAL',
  C: '28000',
  M: 'nein, danke: "ü€" \u{1f512}',
  D: 'the detail',
  H: 'the hint',
  P: '1',
  p: '2',
  q: 'select 1',
  W: 'where',
  t: 'table',
  c: 'column',
  d: 'type',
  n: 'constraint',
  F: 'auth.c',
  L: '325',
  R: 'auth_failed',
  '?': 'unknown to all',
});

test('an ErrorResponse reaches the client byte for byte, whatever its fields', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.send(ALL_FIELDS);
    connection.end();
  };
  const heard = await new RawClient(attack.proxy.port).send(STARTUP).end();
  assert.deepEqual(heard, ALL_FIELDS);
  const error = await onlyError(heard);
  assert.deepEqual(
    [error.code, error.detail, error.hint, error.file, error.line, error.routine, error.schema, error.table],
    ['28000', 'the detail', 'the hint', 'auth.c', '325', 'auth_failed', 'public', 'table'],
  );
  await attack.assertUnharmed();
});

test('an ErrorResponse before any authentication request reaches the client, and the token stays', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(ALL_FIELDS);
    connection.end();
  };
  assert.deepEqual(await new RawClient(attack.proxy.port).send(STARTUP).end(), ALL_FIELDS);
  attack.assertTokenKept();
  await attack.assertUnharmed();
});

test('NOTICE and NegotiateProtocolVersion come through a login in their order', async () => {
  const negotiation = message('v', int32(0), int32(1), '_pq_.grease\0');
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(negotiation, notice('one'));
    await connection.askForToken();
    connection.send(notice('two'), WELCOME);
    await connection.serve();
  };
  const expected = Buffer.concat([negotiation, notice('one'), notice('two'), WELCOME]);
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  assert.deepEqual(await client.hear(expected.length), expected);
  client.send(message('X'));
  assert.deepEqual(await client.end(), expected);
  await attack.assertUnharmed();
});

test('a server that asks for nothing lets the client in, and the token stays', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    connection.send(WELCOME);
    await connection.serve();
  };
  await using trusted = await connectPg(attack.proxy.port);
  await trusted.client.query('select 1');
  await trusted[Symbol.asyncDispose]();
  attack.assertTokenKept();
  await attack.assertUnharmed();
});

test('a login that comes byte by byte is a login', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptStartup();
    for (const byte of CLEARTEXT_PASSWORD) {
      // oxlint-disable-next-line no-await-in-loop -- a TLS record for each byte
      await connection.flush(Buffer.of(byte));
    }
    await connection.readMessage();
    for (const byte of WELCOME) {
      // oxlint-disable-next-line no-await-in-loop -- and room for it to be read alone
      await connection.flush(Buffer.of(byte)).then(() => setImmediate());
    }
    await connection.serve();
  };
  await using slow = await connectPg(attack.proxy.port);
  await slow.client.query('select 1');
  await slow[Symbol.asyncDispose]();
  await attack.assertUnharmed();
});
