import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeErrorFields, encodeErrorResponse } from '../../../src/protocol/error-response.ts';
import { explainRefusal, KNOWN_REFUSALS } from '../../../src/proxy/server-hints.ts';
import { ServerRejection } from '../../../src/proxy/server-login.ts';

const CLAIMS = {
  oid: '77777777-8888-4999-aaaa-bbbbbbbbbbbb',
  tid: '11111111-2222-4333-8444-555555555555',
  aud: 'https://ossrdbms-aad.database.windows.net',
  upn: 'alice@contoso.com',
  exp: 2_000_000_000,
};

function rejection(message: string, hint?: string): ServerRejection {
  const fields = { severity: 'FATAL', sqlState: '28000', message, detail: 'a detail', hint };
  return new ServerRejection(Buffer.from('notices'), encodeErrorResponse(fields), fields);
}

/** What a client reads. */
function explained(message: string, role = 'the role', hint?: string) {
  const error = explainRefusal(rejection(message, hint), role, CLAIMS);
  assert.ok(error instanceof ServerRejection);
  const { errorResponse } = error;
  assert.equal(errorResponse.readUInt32BE(1), errorResponse.length - 1);
  return { ...decodeErrorFields(errorResponse.subarray(5)), notices: error.notices.toString() };
}

/** The texts of the public reports, as the servers word them. */
const REPORTED = [
  'The access token has expired. Please acquire a new token and retry.',
  'An error occurred while validating the access token. Please acquire a new token and retry',
  'The access token does not have a valid audience claim. Please acquire a new token for the resource "https://ossrdbms-aad.database.windows.net".',
  'The access token has invalid format. Please acquire a new token and retry.',
  'Azure AD user token for role[X] is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.',
  'Microsoft Entra user token for role "X" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.',
  'Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[X]',
  'Azure AD access token not valid for role X (does not contain group ID 77777777-8888-4999-aaaa-bbbbbbbbbbbb)',
  'No valid oid claim found in the token',
  'password authentication failed for user "X"',
  'no pg_hba.conf entry for host "10.0.0.1", user "X", database "app", SSL encryption',
];

test('every refusal in the public reports gets a HINT, and nothing else about it changes', () => {
  for (const message of REPORTED) {
    const { hint = '', ...rest } = explained(message);
    assert.deepEqual(rest, {
      severity: 'FATAL',
      sqlState: '28000',
      message,
      detail: 'a detail',
      notices: 'notices',
    });
    for (const part of [
      'The role asked for is "the role"',
      "a user's, named alice@contoso.com",
      CLAIMS.oid,
      CLAIMS.tid,
    ]) {
      assert.ok(hint.includes(part), `${part} is missing in: ${hint}`);
    }
  }
});

test('each known refusal is recognised by its own example, and by none before it', () => {
  for (const { text, pattern } of KNOWN_REFUSALS) {
    assert.equal(KNOWN_REFUSALS.find((other) => other.pattern.test(text))?.pattern, pattern, text);
  }
});

test('the SQL in a HINT has the role and the object id filled in, quoted as SQL wants it', () => {
  const { hint = '' } = explained(
    'Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens',
    "o'brien",
  );
  assert.ok(
    hint.includes(
      `pgaadauth_create_principal_with_oid('o''brien', '${CLAIMS.oid}', 'service', false, false)`,
    ),
  );
});

test("the server's own HINT stays, and an unknown refusal gets none", () => {
  assert.equal(explained('password authentication failed for user "X"', 'r', 'my own').hint, 'my own');
  assert.equal(explained('database "x" does not exist').hint, undefined);
  const other = new Error('no refusal');
  assert.equal(explainRefusal(other, 'r', CLAIMS), other);
});

test('a token that is no JWT, or says little, is described all the same', () => {
  const message = 'The access token has invalid format.';
  const hintFor = (claims: Parameters<typeof explainRefusal>[2]): string => {
    const error = explainRefusal(rejection(message), 'r', claims);
    assert.ok(error instanceof ServerRejection);
    return error.fields.hint ?? '';
  };
  assert.match(hintFor(undefined), /The token is no JWT\./);
  assert.match(hintFor({}), /named in no claim, without an object id/);
  assert.match(hintFor({ idtyp: 'app' }), /an application's/);
  assert.match(hintFor({ xms_mirid: '/a/b' }), /a managed identity's/);
});
