import type { ConfiguredIdentity } from '../../config/identities.ts';
import { ProxyError } from '../../errors.ts';
import { type CredentialSettings, createTokenSource, fetchTimeoutOf } from '../../identity/credentials.ts';
import { Identity } from '../../identity/identity.ts';
import { TokenCache } from '../../identity/token-cache.ts';
import type { AccessToken, TokenSource } from '../../identity/token-source.ts';

type PassedOver = Parameters<CredentialSettings['onChosen']>[1];

/** A credential, and all who would log in with its token. */
export interface SharedIdentity {
  readonly credential: Omit<CredentialSettings, 'tellUser' | 'onChosen'>;
  readonly uses: readonly ConfiguredIdentity[];
}

/** A token, and what came of it. */
export interface GotToken {
  /** Which credential it is from; with `default`, that is said too. */
  readonly credential: string;
  readonly passedOver: PassedOver;
  readonly token: AccessToken;
  /** Why the proxy would not use it. */
  readonly objection: ProxyError | undefined;
  /** Whom the proxy would log in as, for each use. */
  findRole(use: ConfiguredIdentity): Promise<string>;
}

/**
 * Gets a token as the proxy does.
 *
 * @param tellUser - tells what only a person can do, such as entering a code.
 * @throws {@link ProxyError} with the reason why there is none.
 */
export async function getToken(
  { credential }: SharedIdentity,
  tellUser: (message: string) => void,
): Promise<GotToken> {
  let passedOver: PassedOver = [];
  const onChosen: CredentialSettings['onChosen'] = (_, others) => {
    passedOver = others;
  };
  const source = createTokenSource({ ...credential, tellUser, onChosen });
  let last: AccessToken | undefined;
  const watched: TokenSource = {
    name: source.name,
    fetchToken: async (signal) => (last = await source.fetchToken(signal)),
  };
  const tokens = new TokenCache(watched, { fetchTimeoutMs: fetchTimeoutOf(credential.credential) });
  const got = (token: AccessToken, objection: ProxyError | undefined): GotToken => ({
    credential: source.name,
    passedOver,
    token,
    objection,
    findRole: ({ settings: { user } }) =>
      new Identity(tokens, user === 'auto' ? undefined : user, source).roleFor(token),
  });
  try {
    return got(await tokens.getToken(), undefined);
  } catch (error) {
    if (last === undefined || !(error instanceof ProxyError)) throw error;
    return got(last, error);
  } finally {
    tokens.close();
  }
}
