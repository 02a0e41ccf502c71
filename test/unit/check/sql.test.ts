import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createRole,
  makeEntraRole,
  quoteIdentifier,
  quoteLiteral,
  withCreation,
} from '../../../src/check/sql.ts';

const OID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';

test('names are quoted as PostgreSQL wants it, whatever is in them', () => {
  assert.equal(quoteLiteral("O'Brien"), "'O''Brien'");
  assert.equal(quoteLiteral("a\\'b"), "E'a\\\\''b'");
  assert.equal(quoteIdentifier('a "b"'), '"a ""b"""');
});

test("a service's role is made by object id, with the type of the token's owner", () => {
  assert.equal(
    createRole('id-orders', { oid: OID, idtyp: 'app' }),
    `select * from pgaadauth_create_principal_with_oid('id-orders', '${OID}', 'service', false, false);`,
  );
  assert.equal(
    createRole('bob@contoso.com', { oid: OID, upn: 'bob@contoso.com' }),
    `select * from pgaadauth_create_principal_with_oid('bob@contoso.com', '${OID}', 'user', false, false);`,
  );
});

test('a role that may be a group, and one whose object id is not known, are made by name', () => {
  const byName = "select * from pgaadauth_create_principal('Reporting', false, false);";
  assert.equal(createRole('Reporting', { oid: OID, upn: 'bob@contoso.com' }), byName);
  assert.equal(createRole('Reporting', undefined), byName);
  assert.equal(
    createRole('Reporting', { oid: "x', 'user', true, true); drop role bob; --", idtyp: 'app' }),
    byName,
  );
  assert.deepEqual(makeEntraRole('Reporting', { oid: OID, upn: 'bob@contoso.com' }), []);
});

test('a role that is there becomes that of the token', () => {
  const [, repair] = makeEntraRole('a "b"', { oid: OID, idtyp: 'app' });
  assert.deepEqual(repair, {
    sql: `security label for "pgaadauth" on role "a ""b""" is 'aadauth,oid=${OID},type=service';`,
  });
});

test('SQL in a hint is set apart, for the role that it is about', () => {
  const hint =
    "Make it, as administrator: select * from pgaadauth_create_principal('ROLE', false, false); or set --user.";
  assert.deepEqual(withCreation(hint, "it's", undefined), [
    { text: 'Make it, as administrator:' },
    { sql: "select * from pgaadauth_create_principal('it''s', false, false);" },
    { text: 'Or set --user.' },
  ]);
  assert.deepEqual(withCreation('Check --user.', 'x', undefined), [{ text: 'Check --user.' }]);
});
