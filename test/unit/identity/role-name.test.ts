import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claims } from '../../../src/identity/claims.ts';
import { noRoleName, roleNameOf } from '../../../src/identity/role-name.ts';

const IDENTITY =
  '/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/my-app';
const MACHINE = '/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm1';

const EVERYTHING: Claims = {
  xms_mirid: IDENTITY,
  upn: 'upn',
  preferred_username: 'preferred',
  unique_name: 'unique',
};

test("a user-assigned identity's name goes before upn, preferred_username and unique_name, in this order", () => {
  assert.equal(roleNameOf(EVERYTHING), 'my-app');
  assert.equal(roleNameOf({ ...EVERYTHING, xms_mirid: undefined }), 'upn');
  assert.equal(roleNameOf({ preferred_username: 'preferred', unique_name: 'unique' }), 'preferred');
  assert.equal(roleNameOf({ unique_name: 'unique' }), 'unique');
});

test('the case of the resource path does not matter, that of the name is kept', () => {
  assert.equal(roleNameOf({ xms_mirid: IDENTITY.toLowerCase().replace('my-app', 'My-App') }), 'My-App');
});

test('a system-assigned identity is called as its resource is, where no other claim names it', () => {
  assert.equal(roleNameOf({ xms_mirid: MACHINE }), 'vm1');
  assert.equal(roleNameOf({ xms_mirid: MACHINE, upn: 'upn' }), 'upn');
});

test('any other path names nobody', () => {
  const others = [
    `${MACHINE}/extensions`,
    `${IDENTITY}/`,
    `${IDENTITY}/x`,
    'userassignedidentities/x',
    IDENTITY.replace('/my-app', '/'),
  ];
  for (const xms_mirid of others) {
    assert.equal(roleNameOf({ xms_mirid }), undefined, xms_mirid);
    assert.equal(roleNameOf({ xms_mirid, upn: 'upn' }), 'upn', xms_mirid);
  }
});

test("a guest's name is kept with all its characters", () => {
  const guest = 'bob_fabrikam.com#EXT#@contoso.onmicrosoft.com';
  assert.equal(roleNameOf({ upn: guest }), guest);
});

test('a token that names nobody is refused with 28000, and the hint has the SQL', () => {
  for (const claims of [undefined, {}, { exp: 1 }, { xms_mirid: `${MACHINE}/x` }]) {
    assert.equal(roleNameOf(claims), undefined);
  }
  const { sqlState, message, hint } = noRoleName();
  assert.equal(sqlState, '28000');
  assert.match(message, /does not say which role/);
  assert.match(hint ?? '', /--user NAME.*select \* from pgaadauth_create_principal\('NAME', false, false\)/);
});
