import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claims } from '../../../src/identity/claims.ts';
import { Identity } from '../../../src/identity/identity.ts';
import { TokenCache } from '../../../src/identity/token-cache.ts';
import { createAccessToken } from '../../../src/identity/token-source.ts';
import { jwt } from '../tokens.ts';

const OID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';

/** The role for a token with these claims, and whether another token was asked for. */
async function roleFor(claims: Claims, setting: string | undefined) {
  let asked = 0;
  const token = createAccessToken(jwt(claims), 'the test', { now: Date.now() });
  const source = {
    name: 'test',
    fetchToken: async () => token,
    fetchManagementClaims: async () => {
      asked += 1;
      return { oid: OID, upn: 'in the second token' };
    },
  };
  const identity = new Identity(new TokenCache(source, { fetchTimeoutMs: 1_000 }), setting, source);
  return { role: await identity.roleFor(token), asked };
}

test('the role that is set wins over any name', async () => {
  assert.deepEqual(await roleFor({ oid: OID, upn: 'bob' }, 'Reports'), { role: 'Reports', asked: 0 });
  assert.deepEqual(await roleFor({ oid: OID }, 'Reports'), { role: 'Reports', asked: 0 });
});

test("the token's own name is taken without asking for another token", async () => {
  assert.deepEqual(await roleFor({ oid: OID, upn: 'bob' }, undefined), { role: 'bob', asked: 0 });
});

test('a token without a name is named by the one for Azure Resource Manager', async () => {
  assert.deepEqual(await roleFor({ oid: OID }, undefined), { role: 'in the second token', asked: 1 });
});
