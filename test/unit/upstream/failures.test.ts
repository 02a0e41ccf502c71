import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClosedError, type ProxyError } from '../../../src/errors.ts';
import type { Upstream } from '../../../src/upstream/dial.ts';
import {
  answerFailure,
  ConnectTimeoutError,
  connectFailure,
  SilentAddressError,
  tlsFailure,
} from '../../../src/upstream/failures.ts';
import { createTrust } from '../../../src/upstream/trust.ts';

const upstream: Upstream = {
  address: '10.0.0.4',
  port: 5433,
  trust: createTrust('bundled', 'db.example', '1.2'),
  connectTimeoutMs: 1_000,
};

function errorWith(code: string): Error {
  return Object.assign(new Error(`syscall ${code}`), { code });
}

function isTold(failure: ProxyError, message: RegExp, hint: RegExp): void {
  assert.equal(failure.sqlState, '08001');
  assert.match(failure.message, message);
  assert.match(failure.hint ?? '', hint);
}

test('a connection that fails is told with what to look at', () => {
  const cases: [string, RegExp, RegExp][] = [
    ['ENOTFOUND', /could not resolve the server name "10\.0\.0\.4"/, /--upstream-address/],
    ['EAI_AGAIN', /DNS does not answer/, /--upstream-address/],
    ['ECONNREFUSED', /10\.0\.0\.4:5433 refused/, /--upstream-port/],
    ['ETIMEDOUT', /no answer from the server at 10\.0\.0\.4:5433/, /firewall/],
    ['EMFILE', /no file descriptor/, /ulimit/],
    ['ENFILE', /no file descriptor/, /ulimit/],
    ['EHOSTUNREACH', /EHOSTUNREACH/, /network/],
  ];
  for (const [code, message, hint] of cases) {
    const cause = errorWith(code);
    const failure = connectFailure(cause, upstream);
    isTold(failure, message, hint);
    assert.equal(failure.cause, cause);
  }
  isTold(connectFailure(new ConnectTimeoutError(), upstream), /no answer/, /--connect-timeout/);
});

test('of several addresses that failed, the first is told', () => {
  const aggregate = new AggregateError([errorWith('ECONNREFUSED'), errorWith('ENETUNREACH')]);
  isTold(connectFailure(aggregate, upstream), /refused/, /running/);
  isTold(connectFailure(new AggregateError([]), upstream), /could not connect/, /network/);
});

test('whatever is thrown becomes a failure that can be told', () => {
  isTold(connectFailure('text', upstream), /unknown/, /network/);
  isTold(connectFailure(new Error('odd'), upstream), /odd/, /network/);
  isTold(tlsFailure(undefined, upstream), /TLS with the server failed: unknown/, /--server-name/);
});

test('every answer to SSLRequest but S is told', () => {
  isTold(answerFailure('N', upstream), /does not offer TLS/, /verified TLS only/);
  isTold(answerFailure('E', upstream), /answered SSLRequest with an error/, /connections/);
  isTold(answerFailure('closed', upstream), /closed the connection/, /firewall/);
  isTold(answerFailure('H', upstream), /does not speak PostgreSQL/, /--upstream-port/);
});

test('what is wrong with a certificate is told with the setting that matters', () => {
  const roots = /--ca is "bundled"/;
  const cases: [string, RegExp, RegExp][] = [
    ['ERR_TLS_CERT_ALTNAME_INVALID', /not for "db\.example"/, /--server-name/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /trusted root/, roots],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /trusted root/, roots],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /trusted root/, roots],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /trusted root/, roots],
    ['CERT_HAS_EXPIRED', /has expired/, /clock/],
    ['CERT_NOT_YET_VALID', /not valid yet/, /clock/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /no TLS version in common/, /--tls-min/],
    ['ECONNRESET', /TLS with the server failed: ECONNRESET/, /--upstream-address/],
  ];
  for (const [code, message, hint] of cases) isTold(tlsFailure(errorWith(code), upstream), message, hint);
});

test("a certificate's own names are told in one bounded, printable line", () => {
  const subjectaltname = `DNS:other.example\n\u001b[31m${', DNS:x.example'.repeat(100)}`;
  const error = Object.assign(errorWith('ERR_TLS_CERT_ALTNAME_INVALID'), { cert: { subjectaltname } });
  const { hint = '' } = tlsFailure(error, upstream);
  assert.match(hint, /^It is for DNS:other\.example\?\?\[31m/);
  assert.ok(hint.length < 400);
  // oxlint-disable-next-line no-control-regex -- exactly those are looked for
  assert.doesNotMatch(hint, /[\u0000-\u001f]/);
});

test('what a failover makes may pass, a mistake and whatever concerns trust may not', () => {
  const prospects = {
    refused: connectFailure(errorWith('ECONNREFUSED'), upstream),
    reset: connectFailure(errorWith('ECONNRESET'), upstream),
    unreachable: connectFailure(new AggregateError([errorWith('ENETUNREACH')]), upstream),
    silent: connectFailure(new SilentAddressError(), upstream),
    closed: answerFailure('closed', upstream, new PeerClosedError('server')),
    handshakeReset: tlsFailure(errorWith('ECONNRESET'), upstream),
    handshakeClosed: tlsFailure(new Error('connection closed'), upstream),
    unknownName: connectFailure(errorWith('ENOTFOUND'), upstream),
    noDns: connectFailure(errorWith('EAI_AGAIN'), upstream),
    timeout: connectFailure(new ConnectTimeoutError(), upstream),
    noFiles: connectFailure(errorWith('EMFILE'), upstream),
    noTls: answerFailure('N', upstream),
    error: answerFailure('E', upstream),
    injected: answerFailure('injected', upstream),
    nonsense: answerFailure('x', upstream),
    name: tlsFailure(errorWith('ERR_TLS_CERT_ALTNAME_INVALID'), upstream),
    root: tlsFailure(errorWith('SELF_SIGNED_CERT_IN_CHAIN'), upstream),
    version: tlsFailure(errorWith('ERR_SSL_UNSUPPORTED_PROTOCOL'), upstream),
  };
  const found = Object.groupBy(Object.entries(prospects), ([, { prospect }]) => prospect);
  const names = (entries: [string, unknown][] = []): string[] => entries.map(([name]) => name);
  assert.deepEqual(names(found.outage), [
    'refused',
    'reset',
    'unreachable',
    'silent',
    'closed',
    'handshakeReset',
    'handshakeClosed',
  ]);
  assert.deepEqual(names(found.name), ['unknownName', 'noDns']);
  assert.equal(names(found.final).length, 9);
});
