import { ProxyError } from '../errors.ts';
import { type CredentialSettings, createTokenSource, fetchTimeoutOf } from '../identity/credentials.ts';
import { TokenCache } from '../identity/token-cache.ts';
import type { AccessToken, TokenSource } from '../identity/token-source.ts';
import { type Checked, type Fact, failedBy, ok } from './step.ts';

/** Where tokens come from, less who hears of it. */
export type Credential = Omit<CredentialSettings, 'tellUser' | 'onChosen'>;

/** What a credential gave. */
export interface Granted {
  readonly token: AccessToken;
  /** Why the proxy would not use the token. */
  readonly objection: ProxyError | undefined;
  readonly tokens: TokenCache;
  /** To be asked for the owner's name, where the token has none. */
  readonly source: TokenSource;
}

/**
 * Gets a token as the proxy does.
 *
 * @param tellUser - tells what only a person can do, such as entering a code.
 */
export async function checkCredential(
  credential: Credential,
  tellUser: (message: string) => void,
): Promise<Checked<Granted>> {
  const facts: Fact[] = [];
  const source = createTokenSource({
    ...credential,
    tellUser,
    onChosen: (_, passedOver) =>
      void facts.push(
        ...passedOver.map(({ name, reason }) => ({ name: 'not used', value: `${name}: ${reason}` })),
      ),
  });
  const watched = new WatchedSource(source);
  const tokens = new TokenCache(watched, { fetchTimeoutMs: fetchTimeoutOf(credential.credential) });
  const start = performance.now();
  try {
    const token = await tokens.getToken();
    const ms = Math.ceil(performance.now() - start);
    const finding = ok(`${source.name} gave a token in ${ms} ms`, [...settingFacts(credential), ...facts]);
    return { finding, result: { token, objection: undefined, tokens, source } };
  } catch (error) {
    const { last: token } = watched;
    const told = [...settingFacts(credential), ...facts];
    if (token === undefined || !(error instanceof ProxyError)) return { finding: failedBy(error, told) };
    const finding = ok(`${source.name} gave a token`, told);
    return { finding, result: { token, objection: error, tokens, source } };
  } finally {
    tokens.close();
  }
}

/** What the settings say of whose token it is. */
function settingFacts({ scope, clientId, objectId, resourceId, tenantId, tokenFile }: Credential): Fact[] {
  const named = {
    'client id': clientId,
    'object id': objectId,
    'resource id': resourceId,
    tenant: tenantId,
    file: tokenFile,
    'asked for': tokenFile === undefined ? scope : undefined,
  };
  return Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

/** Keeps what a source gave, also where the cache finds it of no use. */
class WatchedSource implements TokenSource {
  readonly #source: TokenSource;
  last: AccessToken | undefined;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  get name(): string {
    return this.#source.name;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    this.last = await this.#source.fetchToken(signal);
    return this.last;
  }
}
