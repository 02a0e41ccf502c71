import { ProxyError, SqlState } from '../errors.ts';
import type { Claims } from './claims.ts';

/** The resource path of a user-assigned managed identity; its last segment is the display name. */
const USER_ASSIGNED_IDENTITY = /\/providers\/microsoft\.managedidentity\/userassignedidentities\/([^/]+)$/i;

/** That of a machine, application or the like: its system-assigned identity is called as it is itself. */
const RESOURCE = /\/providers\/(?!microsoft\.managedidentity\/)[^/]+\/[^/]+\/([^/]+)$/i;

/**
 * The role that a token's owner normally has, in the order of Microsoft's own helpers: a user-assigned
 * managed identity's name, then `upn`, `preferred_username`, `unique_name`; last the name of the resource
 * whose system-assigned identity it is. An application's or a group's name is in no claim.
 */
export function roleNameOf(claims: Claims | undefined): string | undefined {
  const path = claims?.xms_mirid;
  return (
    path?.match(USER_ASSIGNED_IDENTITY)?.[1] ??
    claims?.upn ??
    claims?.preferred_username ??
    claims?.unique_name ??
    path?.match(RESOURCE)?.[1]
  );
}

/** What a client is told when no token names a role. */
export function noRoleName(cause?: unknown): ProxyError {
  return new ProxyError(SqlState.invalidAuthorization, "the token does not say which role is its owner's", {
    hint:
      'Give the role with --user NAME: the display name of the managed identity, application or group. ' +
      "If there is no such role yet: select * from pgaadauth_create_principal('NAME', false, false), " +
      'in database postgres, as the Entra administrator.',
    cause,
  });
}
