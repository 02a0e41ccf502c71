import { decodePayload } from './claims.ts';

/**
 * What else a token says of itself, that only people want to know.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export interface TokenDetails {
  readonly issuer: string | undefined;
  /** The application that asked for it: a user's token has that of the tool, such as the Azure CLI's. */
  readonly applicationId: string | undefined;
  /** What the user lets the application do. */
  readonly scopes: readonly string[];
  /** What the application itself may do. */
  readonly roles: readonly string[];
  /** How many groups it names; undefined if its owner is in more than fit into a token. */
  readonly groupCount: number | undefined;
}

/** @returns undefined if it is not a JWT. Claims of an unexpected type are left out. */
export function decodeDetails(token: string): TokenDetails | undefined {
  const claims = decodePayload(token);
  if (claims === undefined) return undefined;
  return {
    issuer: text(claims['iss']),
    // Tokens of version 2 say azp.
    applicationId: text(claims['appid']) ?? text(claims['azp']),
    scopes: text(claims['scp'])?.split(' ') ?? [],
    roles: texts(claims['roles']),
    groupCount: hasMoreGroups(claims) ? undefined : texts(claims['groups']).length,
  };
}

/** Beyond 200 groups a token refers to Microsoft Graph instead. */
function hasMoreGroups(claims: Readonly<Record<string, unknown>>): boolean {
  const elsewhere = claims['_claim_names'];
  const isReferred = typeof elsewhere === 'object' && elsewhere !== null && 'groups' in elsewhere;
  return isReferred || claims['hasgroups'] === true;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
