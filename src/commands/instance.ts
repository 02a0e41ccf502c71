import type { Socket } from 'node:net';
import type { ServerConfig } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { ProxyError, SqlState } from '../errors.ts';
import { audienceWarning } from '../identity/audience.ts';
import type { Identity } from '../identity/identity.ts';
import { clock } from '../identity/token-log.ts';
import { explainError, type Logger } from '../log.ts';
import type { InheritedSocket } from '../proxy/inherited.ts';
import { clientTarget, describeListener, type Listener } from '../proxy/listener.ts';
import type { LocalAuth } from '../proxy/local-auth.ts';
import type { LoginTracer } from '../proxy/login-trace.ts';
import type { SessionObserver } from '../proxy/observer.ts';
import { SameUser } from '../proxy/same-user.ts';
import { type HandOver, type ListenAddress, type ProxyServer, startServer } from '../proxy/server.ts';
import type { SessionDeps } from '../proxy/session.ts';
import { testLogin } from '../proxy/test-login.ts';
import type { IdentitySupply } from './identities.ts';
import { listenAddresses, loadLocalSide, refuseOpenToAll } from './local-side.ts';
import { createDeps, type Member } from './session-deps.ts';
import { addLoads, type Load, type Sharing } from './workers/sharing.ts';

/** What all instances share, and what each needs of the program. */
export interface InstanceContext {
  readonly identities: IdentitySupply;
  /** A number that names one connection in the log. */
  readonly nextSessionId: () => number;
  /** What unknown users' salts are made of. */
  readonly secret: Buffer;
  readonly observer?: SessionObserver | undefined;
  readonly tracer?: LoginTracer | undefined;
  /** Told whenever a session begins or ends. */
  readonly onSessions?: ((change: 1 | -1) => void) | undefined;
  /** What clients must prove, in the place of what the configuration asks. */
  readonly localAuth?: LocalAuth | undefined;
  /** By which other processes know the instance, where there are any. */
  readonly key?: string;
  readonly sharing?: Sharing | undefined;
  readonly log: Logger;
}

/** What new sessions get; those that run keep what they had. */
export interface InstanceState {
  readonly config: ServerConfig;
  readonly members: readonly Member[];
  readonly deps: SessionDeps;
}

/** The proxy of one server: its listener, its sessions, and whom they log in as. */
export class Instance {
  readonly #context: InstanceContext;
  #state: InstanceState;
  #server: ProxyServer | undefined;
  /** Whom it lets in over TCP; undefined: everybody. */
  #sameUser: SameUser | undefined;

  private constructor(state: InstanceState, context: InstanceContext) {
    this.#state = state;
    this.#context = context;
  }

  static async create(config: ServerConfig, context: InstanceContext): Promise<Instance> {
    return new Instance(await createState(config, context), context);
  }

  get connectionCount(): number {
    return this.#state.deps.registry.connectionCount;
  }

  /** The server's name. */
  get host(): string {
    return this.#state.config.server.host;
  }

  get identities(): readonly Identity[] {
    return this.#state.members.map(({ identity }) => identity);
  }

  /** What is under way besides the sessions, in all processes. */
  get load(): Load {
    const { loginGate, warm } = this.#state.deps;
    const own = {
      loginsUnderWay: loginGate.underWayCount,
      loginsWaiting: loginGate.waitingCount,
      warmConnections: warm?.count ?? 0,
    };
    const { key = '', sharing } = this.#context;
    return sharing?.primary === undefined ? own : addLoads([own, sharing.primary.loadOf(key)]);
  }

  /** What new sessions get, and where from. */
  get inside(): InstanceState & { readonly listeners: readonly Listener[] } {
    return { ...this.#state, listeners: this.#server?.listeners ?? [] };
  }

  /**
   * From now on serves as another instance would, which has not begun to listen.
   *
   * @throws StartError, before anything is changed, if the other would not listen where this one does.
   */
  async takeOver(other: Instance): Promise<void> {
    const { settings } = other.#state.config;
    const sameUser = settings['same-user'] ? await SameUser.create() : undefined;
    for (const listener of this.#server?.listeners ?? []) permit(listener, settings, sameUser);
    this.#sameUser = sameUser;
    const { registry, cancelKeys, warm, upstream: known } = this.#state.deps;
    // Opened as it is no longer wanted.
    warm?.close();
    registry.maxSessions = settings['max-sessions'];
    const { upstream: wanted } = other.#state.deps;
    // What is known of the server's being there is worth keeping, as long as it is the same server.
    const isSame = wanted.address === known.address && wanted.port === known.port;
    const upstream = isSame ? { ...wanted, availability: known.availability } : wanted;
    this.#state = { ...other.#state, deps: { ...other.#state.deps, upstream, registry, cancelKeys } };
  }

  /**
   * @param inherited - sockets that systemd has opened: they take the place of those of the configuration.
   * @throws StartError if a listener cannot be had, or must not be.
   */
  async listen(inherited: readonly InheritedSocket[]): Promise<void> {
    const { settings, given } = this.#state.config;
    this.#sameUser = settings['same-user'] ? await SameUser.create() : undefined;
    const configured: ListenAddress[] =
      inherited.length > 0
        ? inherited.map(({ fd }) => ({ kind: 'inherited', fd }))
        : listenAddresses(settings, given);
    const { sharing } = this.#context;
    // A worker has its connections from elsewhere.
    const wanted = sharing?.worker === undefined ? configured : [];
    this.#server = await startServer(wanted, () => this.#state.deps, {
      admit: async (client) => this.#sameUser?.admit(client),
      permit: (listener) => permit(listener, settings, this.#sameUser),
      handOver: sharing?.primary && ((...accepted) => this.#handOver(...accepted)),
    });
    const { upstream, log } = this.#state.deps;
    const { serverName, roots } = upstream.trust;
    const towards = `${upstream.address}:${upstream.port}`;
    const name = serverName === upstream.address ? '' : ` as ${serverName}`;
    for (const listener of this.#server.listeners) {
      const where =
        listener.kind === 'tcp'
          ? { address: listener.address, port: listener.port }
          : { path: listener.path };
      log.info(
        { event: 'listening', ...where, upstream: towards, serverName },
        `listening on ${describeListener(listener)}, towards ${towards}${name} (TLS roots: ${roots})`,
      );
    }
  }

  /** Runs a session for a connection that another process has accepted. */
  serve(client: Socket, admitted?: Promise<void>): void {
    this.#server?.serve(client, admitted);
  }

  /**
   * Logs in once as each identity.
   *
   * @throws ProxyError with the first reason why it cannot.
   */
  async testLogins(): Promise<void> {
    const { config, members, deps } = this.#state;
    for (const { identity } of members)
      await testLogin(deps, identity, config.settings.database ?? 'postgres');
  }

  /**
   * Tells whom the tokens are for, as they come, and how to connect.
   *
   * @throws ProxyError 28000 if nobody says which role to log in as: no client could ever get in.
   */
  async announce(): Promise<void> {
    const { config, members, deps } = this.#state;
    await Promise.all(members.map((member) => this.#announce(member)));
    const [target] = (this.#server?.listeners ?? []).flatMap((listener) => clientTarget(listener) ?? []);
    if (target === undefined) return;
    const database = config.settings.database ?? 'postgres';
    deps.log.info(
      { event: 'hint' },
      `connect with:  psql "host=${target.host} port=${target.port} dbname=${database}"`,
    );
  }

  /** Stops accepting and ends each session between transactions; what is left after the timeout, at once. */
  async drain(timeoutMs: number): Promise<void> {
    this.#state.deps.warm?.close();
    await this.#server?.drain(timeoutMs);
  }

  /** Ends everything at once. */
  stop(): void {
    this.#state.deps.warm?.close();
    this.#server?.stop();
  }

  #handOver(...[client, admitted, runHere]: Parameters<HandOver>): void {
    const { key = '', sharing } = this.#context;
    const { registry, nextSessionId, loginTimeoutMs: timeoutMs } = this.#state.deps;
    const from = { id: nextSessionId(), server: key, host: this.host, client };
    const connection = { ...from, admitted, timeoutMs, registry, runHere };
    sharing?.primary?.handOver(connection);
  }

  async #announce({ clientUser, settings, identity }: Member): Promise<void> {
    const { config, deps } = this.#state;
    const token = await this.#context.identities.firstToken(identity);
    const role = await identity.roleFor(token).catch((error: unknown) => mayComeLater(error, deps.log));
    if (role === undefined) return;
    const { credential } = identity.tokens;
    const who = clientUser === undefined ? 'logging in' : `client user ${clientUser} logs in`;
    deps.log.info(
      { event: 'ready', clientUser, role, credential, tokenExpiresAt: new Date(token.expiresAt) },
      `${who} as ${role} (credential: ${credential}), token valid until ${clock(token.expiresAt)}`,
    );
    // Of other servers than Azure's, nobody knows what they expect.
    const scope = settings.scope ?? (config.preset.isAzure ? config.cloud.scope : undefined);
    const warning = scope === undefined ? undefined : audienceWarning(token.claims, scope);
    if (warning !== undefined) deps.log.warn({ event: 'audience' }, warning);
  }
}

/** @throws StartError if the settings do not let clients of such a listener in. */
function permit(listener: Listener, settings: Settings, sameUser: SameUser | undefined): void {
  refuseOpenToAll(listener, settings);
  sameUser?.permit(listener);
}

/** Each login asks again, so only what will not change is a reason to stop. */
function mayComeLater(error: unknown, log: Logger): undefined {
  if (!(error instanceof ProxyError) || error.sqlState !== SqlState.cannotConnectNow) throw error;
  log.warn({ event: 'role-unknown' }, explainError(error));
}

async function createState(config: ServerConfig, context: InstanceContext): Promise<InstanceState> {
  const { settings, cloud, clientUsers } = config;
  const member = (own: Settings, clientUser?: string): Member => {
    return { clientUser, settings: own, identity: context.identities.get(own, cloud) };
  };
  const main = member(settings);
  const mapped = [...clientUsers].flatMap(([name, user]) =>
    user.kind === 'identity' ? [member(user.settings, name)] : [],
  );
  const { nextSessionId, secret, observer, tracer, log } = context;
  const { localTls, localAuth } = await loadLocalSide(settings, secret, log);
  return {
    config,
    members: [main, ...mapped],
    deps: {
      ...createDeps(config, main, mapped, context),
      localTls,
      localAuth: context.localAuth ?? localAuth,
      nextSessionId,
      observer,
      tracer,
      log,
    },
  };
}
