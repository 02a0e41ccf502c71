import { randomBytes, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** What Azure Database for PostgreSQL calls itself, in tokens and (with `/.default`) in scopes. */
export const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** Enough group memberships to bring a token to some 1.8 KB, the size of a real one. */
const GROUP_COUNT = 14;

export type Claims = Readonly<Record<string, unknown>>;

/** A token and the end of its life, on a whole second as in its `exp` claim. */
export interface MintedToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Signs tokens with a key of its own. */
export interface TokenSigner {
  /** The public half of the key, as a JSON Web Key Set lists it. */
  readonly publicJwk: JWK;
  sign(claims: Claims, lifetimeSeconds: number): Promise<MintedToken>;
}

/**
 * Makes a signer (RS256) of tokens that look like those of an application in Microsoft Entra.
 *
 * @param tenantId - the tenant in the issuer and in the `tid` claim.
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export async function createTokenSigner(tenantId: string, clientId: string): Promise<TokenSigner> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const keyId = randomBytes(20).toString('base64url');
  const constantClaims = {
    aud: RESOURCE,
    iss: `https://sts.windows.net/${tenantId}/`,
    appid: clientId,
    appidacr: '1',
    groups: Array.from({ length: GROUP_COUNT }, () => randomUUID()),
    idp: `https://sts.windows.net/${tenantId}/`,
    idtyp: 'app',
    oid: randomUUID(),
    tid: tenantId,
    ver: '1.0',
    xms_ftd: randomBytes(32).toString('base64url'),
    xms_idrel: '7 32',
    xms_tcdt: 1_577_836_800,
  };

  async function sign(claims: Claims, lifetimeSeconds: number): Promise<MintedToken> {
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiry = issuedAt + lifetimeSeconds;
    // `uti` makes each token another one, even two of the same second.
    const times = { iat: issuedAt, nbf: issuedAt, exp: expiry, uti: randomBytes(16).toString('base64url') };
    const token = await new SignJWT({ ...constantClaims, sub: constantClaims.oid, ...times, ...claims })
      .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: keyId })
      .sign(privateKey);
    return { token, expiresAt: new Date(expiry * 1000) };
  }

  return { publicJwk: { ...(await exportJWK(publicKey)), kid: keyId, use: 'sig', alg: 'RS256' }, sign };
}
