import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialFailure, ThrottledError } from '../../../src/identity/credential-failures.ts';

const WRONG_SECRET = new Error('AADSTS7000215: Invalid client secret provided. Trace ID: 1 Timestamp: 2');

test('what Entra says of the credential is refused for good, and its words are passed on without the noise', () => {
  const error = credentialFailure('client-secret', WRONG_SECRET, { status: 401 });
  assert.equal(error.sqlState, '28000');
  assert.equal(
    error.message,
    'no token from the credential "client-secret": AADSTS7000215: Invalid client secret provided.',
  );
  assert.match(error.hint ?? '', /it may have expired/);
});

for (const code of [90006, 90012, 90024, 90033, 90055, 50196]) {
  test(`AADSTS${code} passes: whoever gets it may try again`, () => {
    const error = credentialFailure('environment', new Error(`AADSTS${code}: Try again.`), { status: 400 });
    assert.equal(error.sqlState, '57P03');
    assert.match(error.message, new RegExp(`: AADSTS${code}: Try again\\.$`));
  });
}

for (const status of [429, 500, 502, 503, 504]) {
  test(`an answer with status ${status} passes, whatever it says`, () => {
    const error = credentialFailure('managed-identity', new Error('no identity service'), { status });
    assert.equal(error.sqlState, '57P03');
    assert.match(error.message, /no identity service$/);
  });
}

test('the network error behind what the library says is told', () => {
  const failure = new Error('connect EHOSTUNREACH 10.0.0.1:443');
  const error = credentialFailure('environment', new Error('endpoints_resolution_error'), { failure });
  assert.equal(error.sqlState, '57P03');
  assert.match(error.message, /: connect EHOSTUNREACH 10\.0\.0\.1:443$/);
});

test('a pause that was asked for is told in whole seconds, and no token with it', () => {
  const token = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(100)}.${'b'.repeat(100)}`;
  const throttled = { retryAfterMs: 1_200, reason: `AADSTS90055: too many with ${token} Trace ID: 1` };
  const error = credentialFailure('workload-identity', new Error('network_error'), { throttled });
  assert.ok(error instanceof ThrottledError);
  assert.deepEqual([error.sqlState, error.retryAfterMs], ['57P03', 1_200]);
  assert.match(
    error.message,
    /^Microsoft Entra asks for a pause of 2 s \(workload-identity\): AADSTS90055: too many/,
  );
  assert.doesNotMatch(error.message, /eyJ|aaaa|Trace/);
});

test('a machine without the managed identity that was asked for is told apart from one without any', () => {
  const error = new Error('ManagedIdentityCredential: Network unreachable. Message: Identity not found');
  const said = (ids: object): string =>
    credentialFailure('managed-identity', new Error('Identity not found', { cause: error }), ids).message;
  assert.match(said({}), /this machine has no system-assigned managed identity$/);
  assert.match(said({ clientId: 'c' }), /this machine has no managed identity c$/);
  assert.match(said({ resourceId: '/r' }), /this machine has no managed identity \/r$/);
});

test('an endpoint that refuses without a word is told with its status', () => {
  const text =
    'Authentication failed. Message client_error: Error(s): Not Available - Timestamp: Not Available - Description: ' +
    'A client error occured.\nHttp status code: 403\nHttp status message: Forbidden\nHeaders: {} - Correlation ID: x';
  const { message } = credentialFailure('managed-identity', new Error(text), { status: 403 });
  assert.equal(
    message,
    'no token from the credential "managed-identity": its endpoint answers with HTTP status 403',
  );
});

test('an expired secret is told in those words, with where to make another', () => {
  const text =
    "AADSTS7000222: The provided client secret keys for app '66666666-7777-4888-9999-aaaaaaaaaaaa' are expired. Trace ID: 1";
  const error = credentialFailure('client-secret', new Error(text), { status: 401 });
  assert.equal(error.sqlState, '28000');
  assert.match(error.message, /AADSTS7000222: The provided client secret keys for app '.*' are expired\.$/);
  assert.match(error.hint ?? '', /it may have expired \(App registrations/);
});
