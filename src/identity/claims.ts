/**
 * Claims of an Entra access token that this program looks at.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export interface Claims {
  /** Expiry in seconds since 1970. */
  readonly exp?: number | undefined;
  /** Audience: the resource that the token is for, as an address or an application id. */
  readonly aud?: string | undefined;
  /** Object id of the user, application or managed identity, and the id of its tenant. */
  readonly oid?: string | undefined;
  readonly tid?: string | undefined;
  /** `app` or `user`. */
  readonly idtyp?: string | undefined;
  /** Scopes that a user granted: an application's own token has none. */
  readonly scp?: string | undefined;
  readonly xms_mirid?: string | undefined;
  readonly upn?: string | undefined;
  readonly preferred_username?: string | undefined;
  readonly unique_name?: string | undefined;
}

/**
 * Reads a JWT's claims without verifying them: the server does that; here they only name and explain.
 *
 * @param token - three base64url parts joined by dots, the second being the claims as JSON.
 * @returns undefined if it is not a JWT. Claims of an unexpected type are left out.
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-3
 */
export function decodeClaims(token: string): Claims | undefined {
  const of = decodePayload(token);
  if (of === undefined) return undefined;
  return {
    exp: typeof of['exp'] === 'number' && Number.isFinite(of['exp']) ? of['exp'] : undefined,
    aud: text(of['aud']),
    oid: text(of['oid']),
    tid: text(of['tid']),
    idtyp: text(of['idtyp']),
    scp: text(of['scp']),
    xms_mirid: text(of['xms_mirid']),
    upn: text(of['upn']),
    preferred_username: text(of['preferred_username']),
    unique_name: text(of['unique_name']),
  };
}

/** All that a JWT says, as it stands there; undefined if it is not one. */
export function decodePayload(token: string): Readonly<Record<string, unknown>> | undefined {
  const [, payload, , ...rest] = token.split('.');
  if (payload === undefined || rest.length > 0) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined;
  return claims as Readonly<Record<string, unknown>>;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
