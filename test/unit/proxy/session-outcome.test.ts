import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClosedError, ProxyError, SqlState } from '../../../src/errors.ts';
import { ForeignProtocolError } from '../../../src/proxy/client-login.ts';
import type { RelayEnd } from '../../../src/proxy/relay.ts';
import { ServerRejection } from '../../../src/proxy/server-login.ts';
import { isDialFailure, outcomeOf } from '../../../src/proxy/session-outcome.ts';

const NONE = Buffer.alloc(0);

function end(endedBy: RelayEnd['endedBy'], reason: string): string[] {
  const outcome = outcomeOf(
    'session',
    { endedBy, reason, bytesFromClient: 1, bytesFromServer: 2 },
    undefined,
  );
  assert.deepEqual([outcome?.bytesFromClient, outcome?.bytesFromServer, outcome?.error], [1, 2, undefined]);
  return [outcome?.result ?? '', outcome?.sqlState ?? ''];
}

test('each end of a relay has its result, and the SQLSTATE that the client was told', () => {
  assert.deepEqual(end('client', 'terminated'), ['completed', '']);
  assert.deepEqual(end('client', 'ECONNRESET'), ['completed', '']);
  assert.deepEqual(end('server', 'FATAL error'), ['server_ended', '']);
  assert.deepEqual(end('server', 'lost (closed)'), ['server_lost', '08006']);
  assert.deepEqual(end('proxy', 'drained'), ['drained', '57P01']);
  assert.deepEqual(end('proxy', 'stopped'), ['cut', '57P01']);
  assert.deepEqual(end('proxy', 'idle'), ['retired', '57P05']);
  assert.deepEqual(end('proxy', 'max age'), ['retired', '57P01']);
});

test('a refusal, a rejection and a client that left are told apart', () => {
  const refusal = new ProxyError(SqlState.tooManyConnections, 'too many', { hint: 'fewer' });
  const fields = { severity: 'FATAL', sqlState: '28P01', message: 'no', hint: undefined, detail: undefined };
  const rejection = new ServerRejection(NONE, NONE, fields);
  const of = (error: unknown): unknown[] => {
    const outcome = outcomeOf('session', undefined, error);
    return [outcome?.result, outcome?.sqlState, outcome?.error];
  };
  assert.deepEqual(of(refusal), ['refused', '53300', { message: 'too many', hint: 'fewer' }]);
  assert.deepEqual(of(rejection), ['rejected', '28P01', { message: 'no', hint: undefined }]);
  assert.deepEqual(of(new PeerClosedError('client')), ['client_left', undefined, undefined]);
  const [, sqlState, error] = of(new Error('hunter2'));
  assert.equal(sqlState, 'XX000');
  assert.doesNotMatch(JSON.stringify(error), /hunter2/);
});

test('a connection that came to nothing is no session, unless it was refused', () => {
  assert.equal(outcomeOf('connection', undefined, new PeerClosedError('client')), undefined);
  assert.equal(outcomeOf('connection', undefined, undefined), undefined);
  const foreign = new ForeignProtocolError('speaks HTTP', NONE);
  assert.deepEqual(outcomeOf('connection', undefined, foreign)?.result, 'refused');
});

test('a dial failed if there was no way to the server, not if the server said no', () => {
  assert.equal(isDialFailure(new ProxyError(SqlState.cannotConnect, 'refused')), true);
  assert.equal(isDialFailure(new ProxyError(SqlState.connectionFailure, 'lost')), false);
  assert.equal(isDialFailure(new PeerClosedError('server')), false);
});
