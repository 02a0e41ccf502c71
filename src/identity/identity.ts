import { requireRoleName } from './role-name.ts';
import type { TokenCache } from './token-cache.ts';
import type { AccessToken } from './token-source.ts';

/** Whom the proxy logs in as: the token, and the role that goes with it. */
export class Identity {
  readonly tokens: TokenCache;
  readonly #role: string | undefined;

  /** @param role - undefined to take it from the token. */
  constructor(tokens: TokenCache, role: string | undefined) {
    this.tokens = tokens;
    this.#role = role;
  }

  /**
   * The role to log in as with this token.
   *
   * @throws ProxyError 28000 if nobody says which.
   */
  async roleFor(token: AccessToken): Promise<string> {
    return this.#role ?? requireRoleName(token.claims);
  }
}
