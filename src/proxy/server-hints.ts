import type { Claims } from '../identity/claims.ts';
import { summarizeToken } from '../identity/token-summary.ts';
import { withHint } from '../protocol/error-response.ts';
import { ServerRejection } from './server-login.ts';

/** A refusal that servers are known to give, what it means, and what to do about it. */
export interface KnownRefusal {
  /** As in public reports; X stands for what differs. Only for people. */
  readonly text: string;
  readonly pattern: RegExp;
  readonly meaning: string;
  /** ROLE and OID stand for the role that was asked for, and the object id in the token. */
  readonly repair: string;
}

const CREATE_SERVICE =
  "as the Entra administrator, in database postgres: select * from pgaadauth_create_principal_with_oid('ROLE', 'OID', 'service', false, false)";

/**
 * What Azure Database for PostgreSQL answers, older servers with "Azure AD" and newer ones with
 * "Microsoft Entra". The first that fits counts.
 */
export const KNOWN_REFUSALS: readonly KnownRefusal[] = [
  {
    text: 'The access token has expired. Please acquire a new token and retry.',
    pattern: /access token has expired/i,
    meaning: 'The server holds the token for expired, and a fresh one too: the proxy has tried once.',
    repair: "Check this machine's clock, and with --token-file or --token-command what writes the token.",
  },
  {
    text: 'An error occurred while validating the access token. Please acquire a new token and retry',
    pattern: /error occurred while validating the access token/i,
    meaning: 'The server could not check the token, and a fresh one neither: the proxy has tried once.',
    repair: "Try again in a minute; then check that the token's tenant is the server's.",
  },
  {
    text: 'The access token does not have a valid audience claim. Please acquire a new token for the resource "X".',
    pattern: /valid audience claim/i,
    meaning: 'The token is for another resource, or for another cloud.',
    repair: 'Check --cloud and --scope.',
  },
  {
    text: 'The access token has invalid format. ...',
    pattern: /access token has invalid format/i,
    meaning: 'What was sent is cut off, or no Entra access token at all.',
    repair:
      'With --token-file or --token-command, check what they give; an ID token or a refresh token will not do.',
  },
  {
    text: 'Microsoft Entra user token for role "X" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.',
    pattern: /neither an AAD_AUTH_TOKENTYPE_APP_USER/i,
    meaning: "The role was made for a user, but the token is an application's or a managed identity's.",
    repair: `Drop the role and make it for the service, ${CREATE_SERVICE}; or log in as another role with --user.`,
  },
  {
    text: 'Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[X]',
    pattern: /Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER/i,
    meaning: 'The role was made for a user, but the identity is a service.',
    repair: `Drop the role and make it for the service, ${CREATE_SERVICE}.`,
  },
  {
    text: 'Microsoft Entra access token not valid for role X (does not contain group ID GUID)',
    pattern: /does not contain group ID/i,
    meaning: 'The role stands for a group that the identity is not a member of, or for somebody else.',
    repair: 'Add the identity to the group (new tokens know of it), or name its own role with --user.',
  },
  {
    text: 'No valid oid claim ...',
    pattern: /no valid oid claim/i,
    meaning: 'The token does not say whose it is.',
    repair: 'Use an access token of a user, application or managed identity for the scope of the server.',
  },
  {
    text: 'no pg_hba.conf entry for host "X", user "X", database "X", SSL encryption',
    pattern: /no pg_hba\.conf entry for/i,
    meaning: "The server's firewall or its rules do not let this address, role or database in.",
    repair:
      "Check the server's Networking page, the name of the database, and that Entra authentication is on.",
  },
  {
    text: 'password authentication failed for user "X"',
    pattern: /password authentication failed for user/i,
    meaning: 'There is no such Entra role, Entra authentication is off, or the token is not for this role.',
    repair:
      "Check --user (names are case-sensitive); if the role is missing, as the Entra administrator, in database postgres: select * from pgaadauth_create_principal('ROLE', false, false).",
  },
];

/** A server's refusal with a HINT, where it is a known one and the server gave none; else as it is. */
export function explainRefusal(error: unknown, role: string, claims: Claims | undefined): unknown {
  if (!(error instanceof ServerRejection) || error.fields.hint !== undefined) return error;
  const known = KNOWN_REFUSALS.find(({ pattern }) => pattern.test(error.fields.message));
  if (known === undefined) return error;
  const repair = known.repair
    .replaceAll('ROLE', role.replaceAll("'", "''"))
    .replaceAll('OID', claims?.oid ?? 'OBJECT-ID');
  const hint = `${known.meaning} The role asked for is "${role}". ${summarizeToken(claims)} ${repair}`;
  return new ServerRejection(error.notices, withHint(error.errorResponse, hint), { ...error.fields, hint });
}
