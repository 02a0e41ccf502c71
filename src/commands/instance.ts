import type { ServerConfig } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { ProxyError, SqlState } from '../errors.ts';
import { audienceWarning } from '../identity/audience.ts';
import type { Identity } from '../identity/identity.ts';
import { clock } from '../identity/token-log.ts';
import { explainError, type Logger } from '../log.ts';
import { CancelKeys } from '../proxy/cancel.ts';
import type { ClientLogin } from '../proxy/policy.ts';
import { SessionRegistry } from '../proxy/registry.ts';
import { type ProxyServer, startServer } from '../proxy/server.ts';
import type { SessionDeps } from '../proxy/session.ts';
import { testLogin } from '../proxy/test-login.ts';
import { createTrust } from '../upstream/trust.ts';
import type { Identities } from './identities.ts';

/** Whom clients log in as, and which of them: those that name a certain user, or all others. */
interface Member {
  readonly clientUser: string | undefined;
  readonly settings: Settings;
  readonly identity: Identity;
}

/** The proxy of one server: its listener, its sessions, and whom they log in as. */
export class Instance {
  readonly #config: ServerConfig;
  readonly #identities: Identities;
  readonly #log: Logger;
  readonly #members: readonly Member[];
  readonly #deps: SessionDeps;
  #server: ProxyServer | undefined;

  constructor(config: ServerConfig, identities: Identities, nextSessionId: () => number, log: Logger) {
    this.#config = config;
    this.#identities = identities;
    this.#log = log;
    const member = (settings: Settings, clientUser?: string): Member => {
      return { clientUser, settings, identity: identities.get(settings, config.cloud) };
    };
    const main = member(config.settings);
    const mapped = [...config.clientUsers].flatMap(([name, user]) =>
      user.kind === 'identity' ? [member(user.settings, name)] : [],
    );
    this.#members = [main, ...mapped];
    this.#deps = { ...createDeps(config, main, mapped), nextSessionId, log };
  }

  get connectionCount(): number {
    return this.#deps.registry.connectionCount;
  }

  /** @throws StartError if the address or port cannot be had. */
  async listen(): Promise<void> {
    const { settings } = this.#config;
    this.#server = await startServer({ address: settings.address, port: settings.port }, this.#deps);
    const { address, port } = this.#server;
    const { upstream } = this.#deps;
    const { serverName, roots } = upstream.trust;
    const towards = `${upstream.address}:${upstream.port}`;
    const name = serverName === upstream.address ? '' : ` as ${serverName}`;
    this.#log.info(
      { event: 'listening', address, port, upstream: towards, serverName },
      `listening on ${address}:${port}, towards ${towards}${name} (TLS roots: ${roots})`,
    );
  }

  /**
   * Logs in once as each identity.
   *
   * @throws ProxyError with the first reason why it cannot.
   */
  async testLogins(): Promise<void> {
    const database = this.#config.settings.database ?? 'postgres';
    for (const { identity } of this.#members) await testLogin(this.#deps, identity, database);
  }

  /**
   * Tells whom the tokens are for, as they come, and how to connect.
   *
   * @throws ProxyError 28000 if nobody says which role to log in as: no client could ever get in.
   */
  async announce(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#announce(member)));
    const { address = '', port = 0 } = this.#server ?? {};
    const host = address.includes(':') ? '::1' : address;
    const database = this.#config.settings.database ?? 'postgres';
    this.#log.info({ event: 'hint' }, `connect with:  psql "host=${host} port=${port} dbname=${database}"`);
  }

  /** Stops accepting and ends each session between transactions; returns how many had to be cut. */
  async drain(timeoutMs: number): Promise<number> {
    return (await this.#server?.drain(timeoutMs)) ?? 0;
  }

  /** Ends everything at once. */
  stop(): void {
    this.#server?.stop();
  }

  async #announce({ clientUser, settings, identity }: Member): Promise<void> {
    const token = await this.#identities.firstToken(identity);
    const role = await identity.roleFor(token).catch((error: unknown) => this.#mayComeLater(error));
    if (role === undefined) return;
    const { credential } = identity.tokens;
    const fields = {
      event: 'ready',
      clientUser,
      role,
      credential,
      tokenExpiresAt: new Date(token.expiresAt),
    };
    const who = clientUser === undefined ? 'logging in' : `client user ${clientUser} logs in`;
    this.#log.info(
      fields,
      `${who} as ${role} (credential: ${credential}), token valid until ${clock(token.expiresAt)}`,
    );
    const warning = audienceWarning(token.claims, settings.scope ?? this.#config.cloud.scope);
    if (warning !== undefined) this.#log.warn({ event: 'audience' }, warning);
  }

  /** Each login asks again, so only what will not change is a reason to stop. */
  #mayComeLater(error: unknown): undefined {
    if (!(error instanceof ProxyError) || error.sqlState !== SqlState.cannotConnectNow) throw error;
    this.#log.warn({ event: 'role-unknown' }, explainError(error));
  }
}

function createDeps(
  { server, settings, preset, clientUsers }: ServerConfig,
  main: Member,
  mapped: readonly Member[],
): Omit<SessionDeps, 'nextSessionId' | 'log'> {
  const passedThrough = [...clientUsers].filter(([, { kind }]) => kind === 'passThrough');
  const logins: [string, ClientLogin][] = [
    ...passedThrough.map(([name]): [string, ClientLogin] => [name, { kind: 'passThrough' }]),
    ...mapped.map(({ clientUser = '', identity }): [string, ClientLogin] => [
      clientUser,
      { kind: 'identity', identity },
    ]),
  ];
  return {
    upstream: {
      address: settings['upstream-address'] ?? server.host,
      port: server.port ?? settings['upstream-port'] ?? preset.port,
      trust: createTrust(settings.ca, settings['server-name'] ?? server.host, settings['tls-min']),
      connectTimeoutMs: settings['connect-timeout'],
    },
    policy: {
      login: { kind: 'identity', identity: main.identity },
      clientUsers: new Map(logins),
      database: settings.database,
      options: preset.options,
    },
    registry: new SessionRegistry(settings['max-sessions']),
    cancelKeys: new CancelKeys(),
    loginTimeoutMs: settings['login-timeout'],
  };
}
