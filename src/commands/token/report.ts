import type { ConfiguredIdentity } from '../../config/identities.ts';
import { ProxyError } from '../../errors.ts';
import { audienceWarning } from '../../identity/audience.ts';
import type { Claims } from '../../identity/claims.ts';
import { roleNameOf } from '../../identity/role-name.ts';
import { decodeDetails, type TokenDetails } from '../../identity/token-details.ts';
import { kindOf } from '../../identity/token-summary.ts';
import type { GotToken, SharedIdentity } from './get-token.ts';

/** What there is to know of a token, and never the token: this may be shown to anybody who may see the log. */
export interface TokenReport extends Omit<Partial<TokenDetails>, 'groupCount'> {
  readonly credential: string;
  readonly passedOver: GotToken['passedOver'];
  /** Who uses it, in words; empty where nobody is configured. */
  readonly usedBy: readonly string[];
  /** Of the others there are none if it is not. */
  readonly isJwt: boolean;
  /** `user`, `application`, `managed identity`, or one of the last two. */
  readonly kind: string | undefined;
  readonly name: string | undefined;
  readonly objectId: string | undefined;
  readonly tenantId: string | undefined;
  readonly audience: string | undefined;
  /** Undefined if one of the two is not known. */
  readonly audienceFits: boolean | undefined;
  readonly audienceWarning: string | undefined;
  readonly groupCount: number | 'more than fit into a token' | undefined;
  readonly expiresAt: Date;
  /** False if nobody says when: then it is asked for anew at that time. */
  readonly isExpiryKnown: boolean;
  readonly logins: readonly LoginReport[];
}

/** Whom the proxy would log in as. */
export interface LoginReport {
  readonly usedBy: string | undefined;
  /** As `--user` has it. */
  readonly user: string;
  /** Undefined if nobody says which. */
  readonly role: string | undefined;
  /** Why there is none, and what helps. */
  readonly problem: { readonly message: string; readonly hint: string | undefined } | undefined;
}

export async function reportOn(got: GotToken, { uses }: SharedIdentity): Promise<TokenReport> {
  const { token } = got;
  const { claims } = token;
  const { groupCount, ...details } = decodeDetails(token.value) ?? {};
  const scope = uses[0]?.scope;
  const warning = scope === undefined ? undefined : audienceWarning(claims, scope);
  const logins: LoginReport[] = [];
  for (const use of uses) logins.push(await reportLogin(got, use));
  return {
    credential: got.credential,
    passedOver: got.passedOver,
    usedBy: uses.flatMap(({ usedBy }) => usedBy ?? []),
    isJwt: claims !== undefined,
    kind: claims && nominative(kindOf(claims)),
    name: roleNameOf(claims),
    objectId: claims?.oid,
    tenantId: claims?.tid,
    audience: claims?.aud,
    audienceFits: claims?.aud === undefined || scope === undefined ? undefined : warning === undefined,
    audienceWarning: warning,
    ...details,
    groupCount: claims && (groupCount ?? 'more than fit into a token'),
    expiresAt: new Date(token.expiresAt),
    isExpiryKnown: isExpiryKnown(claims, uses[0]),
    logins,
  };
}

/** Entra's own answers say it; of what a file or a command gives, only the token can. */
function isExpiryKnown(claims: Claims | undefined, use: ConfiguredIdentity | undefined): boolean {
  const credential = use?.settings.credential;
  return claims?.exp !== undefined || (credential !== 'token-file' && credential !== 'token-command');
}

async function reportLogin(got: GotToken, use: ConfiguredIdentity): Promise<LoginReport> {
  const { usedBy, settings } = use;
  const about = { usedBy, user: settings.user };
  // One that the proxy does not use is no reason to ask for another.
  if (got.objection !== undefined && settings.user === 'auto')
    return { ...about, role: roleNameOf(got.token.claims), problem: undefined };
  try {
    return { ...about, role: await got.findRole(use), problem: undefined };
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    return { ...about, role: undefined, problem: { message: error.message, hint: error.hint } };
  }
}

/** "a user's" as a noun: "user". */
function nominative(kind: string): string {
  return kind.replaceAll(/\ban? |'s\b/g, '');
}
