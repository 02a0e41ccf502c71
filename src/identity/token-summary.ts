import { printable } from '../redact.ts';
import type { Claims } from './claims.ts';
import { roleNameOf } from './role-name.ts';

/** What a token says of itself, in a sentence: claims only, never the token. */
export function summarizeToken(claims: Claims | undefined): string {
  if (claims === undefined) return 'The token is no JWT.';
  const { oid, tid, aud, exp } = claims;
  const parts = [
    `The token is ${kindOf(claims)}`,
    `named ${roleNameOf(claims) ?? 'in no claim'}`,
    oid === undefined ? 'without an object id' : `object id ${oid}`,
    tid === undefined ? undefined : `tenant ${tid}`,
    aud === undefined ? undefined : `audience ${aud}`,
    exp === undefined ? undefined : `valid until ${new Date(exp * 1000).toISOString()}`,
  ];
  return `${printable(parts.filter((part) => part !== undefined).join(', '), 600)}.`;
}

/** What kind of owner a token has, in the genitive. */
export function kindOf({ xms_mirid, idtyp, scp, upn }: Claims): string {
  if (xms_mirid !== undefined) return "a managed identity's";
  if (idtyp === 'app') return "an application's";
  if (idtyp === 'user' || scp !== undefined || upn !== undefined) return "a user's";
  return "an application's or a managed identity's";
}
