import { audienceWarning } from '../identity/audience.ts';
import type { Claims } from '../identity/claims.ts';
import { Identity } from '../identity/identity.ts';
import { roleNameOf } from '../identity/role-name.ts';
import { kindOf } from '../identity/token-summary.ts';
import type { Granted } from './credential.ts';
import { type Checked, type Fact, failedBy, ok, type Repair, warning } from './step.ts';
import { moment } from './times.ts';

/** Whom to log in as. */
export interface Owner {
  readonly role: string;
  readonly identity: Identity;
}

export interface ClaimsWanted {
  /** The role, where somebody said which. */
  readonly role: string | undefined;
  /** What the token should be for; undefined: whatever it is for. */
  readonly scope: string | undefined;
}

/** Looks at what a token says of itself, and finds the role that goes with it. */
export async function checkClaims(
  { token, objection, tokens, source }: Granted,
  wanted: ClaimsWanted,
  now = Date.now(),
): Promise<Checked<Owner>> {
  const { claims } = token;
  const facts = [...claimFacts(claims), { name: 'expiry', value: moment(token.expiresAt, now) }];
  if (objection !== undefined) return { finding: failedBy(objection, facts) };
  const identity = new Identity(tokens, wanted.role, source);
  let role: string;
  try {
    role = await identity.roleFor(token);
  } catch (error) {
    return { finding: failedBy(error, facts) };
  }
  const whose = wanted.role === undefined ? originOf(claims) : 'as --user says';
  const all = [...facts, { name: 'role', value: `${role} (${whose})` }];
  return { finding: judge(claims, wanted.scope, all), result: { role, identity } };
}

function judge(claims: Claims | undefined, scope: string | undefined, facts: readonly Fact[]) {
  if (claims === undefined) {
    const opaque = 'the token is no JWT: it says nothing of itself';
    if (scope === undefined) return ok(opaque, facts);
    const repair: Repair[] = [{ text: 'Azure takes Entra access tokens only: check what gives this one.' }];
    return warning(opaque, facts, repair);
  }
  const summary = `the token is ${kindOf(claims)}`;
  const problem = scope === undefined ? undefined : audienceWarning(claims, scope);
  if (problem === undefined) return ok(summary, facts);
  const [what = problem, repair = ''] = problem.split(': check ');
  return warning(what, facts, [{ text: `Check ${repair}.` }]);
}

function claimFacts(claims: Claims | undefined): Fact[] {
  if (claims === undefined) return [];
  const named = {
    kind: nominative(kindOf(claims)),
    name: roleNameOf(claims) ?? 'in no claim',
    'object id': claims.oid ?? 'none',
    tenant: claims.tid,
    audience: claims.aud,
  };
  return Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

function originOf(claims: Claims | undefined): string {
  return roleNameOf(claims) === undefined
    ? "found in a token for Azure's management"
    : 'the name in the token';
}

/** "a user's" as a noun: "user". */
function nominative(kind: string): string {
  return kind.replaceAll(/\ban? |'s\b/g, '');
}
