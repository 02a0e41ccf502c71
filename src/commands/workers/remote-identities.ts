import type { Cloud } from '../../config/clouds.ts';
import type { Settings } from '../../config/settings.ts';
import { Identity } from '../../identity/identity.ts';
import type { AccessToken } from '../../identity/token-source.ts';
import { type IdentitySupply, identityKey } from '../identities.ts';
import type { PrimaryCalls, TokenNews, WorkerCalls } from './calls.ts';
import type { Channel } from './channel.ts';
import { RemoteTokens } from './remote-tokens.ts';

/** The program's identities as a worker has them: all tokens come from the primary process. */
export class RemoteIdentities implements IdentitySupply {
  readonly #primary: Channel<WorkerCalls, PrimaryCalls>;
  readonly #tokens = new Map<string, RemoteTokens>();
  /** What has come, also for identities that are not known yet. */
  readonly #news = new Map<string, AccessToken>();

  constructor(primary: Channel<WorkerCalls, PrimaryCalls>) {
    this.#primary = primary;
  }

  get(settings: Settings, cloud: Cloud): Identity {
    const identity = identityKey(settings, cloud);
    const known = this.#tokens.get(identity);
    const tokens =
      known ?? new RemoteTokens(this.#primary, identity, settings.credential, this.#news.get(identity));
    this.#tokens.set(identity, tokens);
    const role = settings.user === 'auto' ? undefined : settings.user;
    return new Identity(tokens, role, undefined, {
      of: (token) => this.#primary.ask('nameOwner', { identity, token }),
    });
  }

  keep({ identity, token }: TokenNews): void {
    this.#news.set(identity, token);
    this.#tokens.get(identity)?.keep(token);
  }

  firstToken({ tokens }: Identity): Promise<AccessToken> {
    return tokens.getToken();
  }

  /** The primary process fetches them. */
  async warmUp(): Promise<void> {}

  keepOnly(identities: readonly Identity[]): void {
    const wanted = new Set(identities.map(({ tokens }) => tokens));
    for (const [identity, tokens] of this.#tokens) {
      if (wanted.has(tokens)) continue;
      this.#tokens.delete(identity);
      this.#news.delete(identity);
    }
  }
}
