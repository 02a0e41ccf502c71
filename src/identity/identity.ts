import { ManagementName } from './management-name.ts';
import { roleNameOf } from './role-name.ts';
import type { Tokens } from './token-cache.ts';
import type { AccessToken, TokenSource } from './token-source.ts';

/** Whom the proxy logs in as: the token, and the role that goes with it. */
export class Identity {
  readonly tokens: Tokens;
  readonly #role: string | undefined;
  readonly #names: Pick<ManagementName, 'of'>;
  #knownRole: string | undefined;

  /**
   * @param role - undefined to take it from the token.
   * @param source - where the tokens come from: asked for a name too where they have none.
   * @param names - who else is asked for such a name.
   */
  constructor(
    tokens: Tokens,
    role: string | undefined,
    source?: TokenSource,
    names: Pick<ManagementName, 'of'> = new ManagementName(source),
  ) {
    this.tokens = tokens;
    this.#role = role;
    this.#names = names;
  }

  /**
   * The role to log in as with this token.
   *
   * @throws ProxyError 28000 if nobody says which; 57P03 if it may be found out later.
   */
  async roleFor(token: AccessToken): Promise<string> {
    this.#knownRole = this.#role ?? roleNameOf(token.claims) ?? (await this.#names.of(token));
    return this.#knownRole;
  }

  /** The role, as far as it is known without asking anybody. */
  get knownRole(): string | undefined {
    return this.#role ?? this.#knownRole;
  }
}
