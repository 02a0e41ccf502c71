import type { Cloud } from '../config/clouds.ts';
import type { Settings } from '../config/settings.ts';
import { ProxyError, SqlState } from '../errors.ts';
import { type CredentialSettings, createTokenSource, fetchTimeoutOf } from '../identity/credentials.ts';
import { Identity } from '../identity/identity.ts';
import type { TokenEvent } from '../identity/token-cache.ts';
import { TokenCache } from '../identity/token-cache.ts';
import { tokenLog } from '../identity/token-log.ts';
import type { AccessToken } from '../identity/token-source.ts';
import type { Logger } from '../log.ts';

/** One credential with one scope, and what came of it. */
interface SharedTokens {
  /** Names it to other processes. */
  readonly key: string;
  /** Of its own, and made of the configuration alone. */
  readonly name: string;
  readonly scope: string;
  readonly tokens: TokenCache;
  readonly first: Promise<AccessToken>;
  /** Of the tokens, as far as they tell, or Entra does. */
  readonly owner: Identity;
}

/** What servers need of the program's identities. */
export type IdentitySupply = Pick<Identities, 'get' | 'firstToken' | 'warmUp' | 'keepOnly'>;

/** The program's identities. Servers and client users with the same credential and scope share its token. */
export class Identities {
  readonly #log: Logger;
  readonly #observe: TokenObserver | undefined;
  readonly #shared = new Map<string, SharedTokens>();
  /** Hears of each new token, for processes that have no cache of their own. */
  onToken: (news: KeyedToken) => void = () => {};

  /** @param observe - asked for a listener for each token cache, by its name. */
  constructor(log: Logger, observe?: TokenObserver) {
    this.#log = log;
    this.#observe = observe;
  }

  /** All there are. */
  get all(): readonly Pick<SharedTokens, 'name' | 'scope' | 'tokens'>[] {
    return [...this.#shared.values()];
  }

  /** The tokens in hand. */
  get tokens(): readonly KeyedToken[] {
    return [...this.#shared.values()].flatMap(({ key, tokens: { current } }) =>
      current === undefined ? [] : [{ identity: key, token: current }],
    );
  }

  /** The identity that these settings describe. */
  get(settings: Settings, cloud: Cloud): Identity {
    const { tokens, owner } = this.#sharedFor(settings, cloud);
    return settings.user === 'auto' ? owner : new Identity(tokens, settings.user);
  }

  /**
   * @param key - as {@link identityKey} has it.
   * @throws ProxyError 57P03 if it has gone from the configuration.
   */
  find(key: string): Pick<SharedTokens, 'tokens' | 'owner'> {
    const shared = this.#shared.get(key);
    if (shared !== undefined) return shared;
    throw new ProxyError(SqlState.cannotConnectNow, 'the configuration of pg-entra-proxy has just changed', {
      hint: 'Connect again.',
    });
  }

  /** The first token that an identity gets: at once where it has one, else whenever it comes. */
  firstToken({ tokens }: Identity): Promise<AccessToken> {
    const shared = [...this.#shared.values()].find((one) => one.tokens === tokens);
    return shared?.first ?? tokens.getToken();
  }

  /**
   * Fetches the first tokens. A failure is told in the log, and tried again.
   *
   * @returns when each has come, or has failed.
   */
  async warmUp(): Promise<void> {
    await Promise.allSettled([...this.#shared.values()].map(({ tokens }) => tokens.getToken()));
  }

  /** Stops refreshing the tokens of all others. */
  keepOnly(identities: readonly Identity[]): void {
    const wanted = new Set(identities.map(({ tokens }) => tokens));
    for (const [key, { tokens }] of this.#shared) {
      if (wanted.has(tokens)) continue;
      tokens.close();
      this.#shared.delete(key);
    }
  }

  /** Stops refreshing. */
  close(): void {
    for (const { tokens } of this.#shared.values()) tokens.close();
  }

  #sharedFor(settings: Settings, cloud: Cloud): SharedTokens {
    const described = describeCredential(settings, cloud);
    const key = identityKey(settings, cloud);
    const shared = this.#shared.get(key) ?? this.#create(key, described);
    this.#shared.set(key, shared);
    return shared;
  }

  #create(key: string, described: Described): SharedTokens {
    const source = createTokenSource({
      ...described,
      tellUser: (message) => this.#logOf(described).warn({ event: 'sign-in' }, message),
      onChosen: (credential, passedOver) => {
        const others = passedOver.map(({ name, reason }) => `${name} (${reason})`).join(', ');
        const line = `using the credential ${credential}${others === '' ? '' : `; passed over: ${others}`}`;
        this.#logOf(described).info({ event: 'credential', credential, passedOver }, line);
      },
    });
    const first = Promise.withResolvers<AccessToken>();
    let logEvent: ReturnType<typeof tokenLog> | undefined;
    const name = this.#uniqueName(described);
    const observer = this.#observe?.(name);
    const tokens = new TokenCache(source, {
      fetchTimeoutMs: fetchTimeoutOf(described.credential),
      onEvent: (event) => {
        logEvent ??= tokenLog(this.#logOf(described));
        logEvent(event);
        observer?.(event);
        if (event.kind !== 'refreshed') return;
        first.resolve(event.token);
        this.onToken({ identity: key, token: event.token });
      },
    });
    const owner = new Identity(tokens, undefined, source);
    return { key, name, scope: described.scope, tokens, first: first.promise, owner };
  }

  #uniqueName(described: Described): string {
    const name = nameOf(described);
    const taken = new Set(this.all.map((one) => one.name));
    let unique = name;
    for (let number = 2; taken.has(unique); number += 1) unique = `${name} (${number})`;
    return unique;
  }

  /** Where there are several, each line says which it is about. */
  #logOf(described: Described): Logger {
    if (this.#shared.size < 2) return this.#log;
    const name = nameOf(described);
    return this.#log.child({ identity: name, scope: described.scope }, { msgPrefix: `[${name}] ` });
  }
}

function nameOf({ credential, clientId, objectId, resourceId }: Described): string {
  const id = clientId ?? objectId ?? resourceId;
  return `${credential}${id === undefined ? '' : ` ${id}`}`;
}

/** A token, and the key of its identity. */
interface KeyedToken {
  readonly identity: string;
  readonly token: AccessToken;
}

/** What names an identity in all processes. */
export function identityKey(settings: Settings, cloud: Cloud): string {
  return JSON.stringify(describeCredential(settings, cloud));
}

/** Who hears what becomes of the tokens of one cache. */
export type TokenObserver = (name: string) => (event: TokenEvent) => void;

type Described = Omit<CredentialSettings, 'tellUser' | 'onChosen'>;

/** What the settings say of where tokens come from. */
export function describeCredential(settings: Settings, cloud: Cloud): Described {
  return {
    credential: settings.credential,
    scope: settings.scope ?? cloud.scope,
    managementScope: cloud.managementScope,
    clientId: settings['client-id'],
    tenantId: settings['tenant-id'],
    objectId: settings['object-id'],
    resourceId: settings['resource-id'],
    clientSecretFile: settings['client-secret-file'],
    clientCertificateFile: settings['client-certificate-file'],
    authorityHost: settings['authority-host'] ?? cloud.authorityHost,
    disableInstanceDiscovery: settings['disable-instance-discovery'],
    tokenFile: settings['token-file'],
    tokenCommand: settings['token-command'],
  };
}
