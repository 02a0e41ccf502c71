import { randomBytes } from 'node:crypto';
import { listensOnTcp } from '../config/listen-rules.ts';
import type { Config, ServerConfig } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { describeError, explainError, type Logger } from '../log.ts';
import { assignInherited, type InheritedSocket } from '../proxy/inherited.ts';
import type { LoginTracer } from '../proxy/login-trace.ts';
import type { SessionObserver, SessionView } from '../proxy/observer.ts';
import type { Upstream } from '../upstream/dial.ts';
import type { IdentitySupply } from './identities.ts';
import { Instance } from './instance.ts';
import type { Load, Sharing } from './workers/sharing.ts';

/** All proxies of the program, one for each server, and what becomes of them when the configuration changes. */
export class Fleet {
  readonly #identities: IdentitySupply;
  readonly #log: Logger;
  readonly #observe: ((host: string) => SessionObserver) | undefined;
  readonly #tracer: LoginTracer | undefined;
  readonly #onSessions: ((change: 1 | -1) => void) | undefined;
  /** By what they listen on: with the same, a changed server is still the same instance. */
  #instances = new Map<string, Instance>();
  /** Removed from the configuration, with sessions that are not over yet. */
  readonly #leaving = new Set<Instance>();
  readonly #sharing: Sharing | undefined;
  readonly #secret: Buffer;
  #sessions = 0;

  /**
   * @param observe - asked for an observer of the sessions of each server, by its name.
   * @param onSessions - told whenever a session begins or ends.
   * @param sharing - where other processes have instances of the same servers.
   */
  constructor(
    identities: IdentitySupply,
    log: Logger,
    observe?: (host: string) => SessionObserver,
    onSessions?: (change: 1 | -1) => void,
    tracer?: LoginTracer,
    sharing?: Sharing,
  ) {
    this.#identities = identities;
    this.#log = log;
    this.#observe = observe;
    this.#onSessions = onSessions;
    this.#tracer = tracer;
    this.#sharing = sharing;
    this.#secret = sharing?.secret ?? randomBytes(32);
  }

  get instances(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** Removed from the configuration, with sessions that are not over yet. */
  get leaving(): readonly Instance[] {
    return [...this.#leaving];
  }

  /** The instance that goes by this key in all processes. */
  instanceOf(key: string): Instance | undefined {
    return this.#instances.get(key);
  }

  /** Where a session lives that a CancelRequest has the key of; undefined if it does not run in this process. */
  upstreamOf(key: Buffer): Upstream | undefined {
    for (const { inside } of this.#all()) {
      const upstream = inside.deps.cancelKeys.upstreamOf(key);
      if (upstream !== undefined) return upstream;
    }
    return undefined;
  }

  /** All sessions as they are now. */
  sessions(): SessionView[] {
    return this.#all().flatMap(({ inside }) => [...inside.deps.registry.views()]);
  }

  /** What is under way besides them, by the instances' keys. */
  loads(): [string, Load][] {
    return [...this.#instances].map(([key, { load }]) => [key, load]);
  }

  get connectionCount(): number {
    return this.#all().reduce((sum, { connectionCount }) => sum + connectionCount, 0);
  }

  /**
   * Makes the instances, without listening.
   *
   * @throws UsageError if a file that a server needs cannot be used.
   */
  async prepare({ servers }: Config): Promise<void> {
    this.#instances = new Map(await this.#createAll(servers));
  }

  /**
   * @param inherited - sockets that systemd has opened for this process.
   * @throws StartError if one of those is nobody's; AggregateError with every listener that could not be had.
   */
  async listen(inherited: readonly InheritedSocket[]): Promise<void> {
    const { instances } = this;
    const assigned = assignInherited(
      inherited,
      instances.map(({ host }) => host),
    );
    const results = await Promise.allSettled(
      instances.map((instance, index) => instance.listen(assigned[index] ?? [])),
    );
    const errors = results
      .filter((result) => result.status === 'rejected')
      .map(({ reason }) => reason as unknown);
    if (errors.length > 0) throw new AggregateError(errors);
  }

  /**
   * Takes a new configuration over: what is new starts, what is gone drains, what has changed counts for
   * new sessions; those that run are left alone. What cannot be had is told, and the rest is done.
   *
   * @throws UsageError, before anything is changed, if a file that a server needs cannot be used.
   */
  async change(config: Config): Promise<void> {
    const { settings, servers } = config;
    const wanted = new Map(await this.#createAll(servers));
    // Before anybody is accepted whom they do not know what to do with.
    await this.#sharing?.primary?.configure(config);
    // First, since what comes may listen where something else has.
    for (const [key, instance] of this.#instances) {
      if (!wanted.has(key)) this.#remove(key, instance, settings['drain-timeout']);
    }
    for (const [key, instance] of wanted) {
      const known = this.#instances.get(key);
      if (known === undefined) await this.#add(key, instance);
      else await this.#change(known, instance);
    }
    this.#identities.keepOnly(this.instances.flatMap(({ identities }) => identities));
    void this.#identities.warmUp();
  }

  /** Stops accepting and ends each session between transactions; what is left after the timeout, at once. */
  async drain(timeoutMs: number): Promise<void> {
    this.#sharing?.primary?.drain(timeoutMs);
    await Promise.all(this.#all().map((instance) => instance.drain(timeoutMs)));
  }

  /** Ends everything at once. */
  stop(): void {
    this.#sharing?.primary?.stop();
    for (const instance of this.#all()) instance.stop();
  }

  #all(): Instance[] {
    return [...this.#instances.values(), ...this.#leaving];
  }

  /** @throws UsageError with what is wrong with the files of all servers. */
  async #createAll(servers: readonly ServerConfig[]): Promise<[string, Instance][]> {
    const problems = new Set<string>();
    const created = keyed(servers).map(async ([key, config]): Promise<[string, Instance][]> => {
      try {
        return [[key, await this.#create(key, config, servers)]];
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        for (const problem of error.problems) problems.add(problem);
        return [];
      }
    });
    const instances = (await Promise.all(created)).flat();
    if (problems.size > 0) throw new UsageError([...problems]);
    return instances;
  }

  #create(key: string, config: ServerConfig, { length }: readonly ServerConfig[]): Promise<Instance> {
    // Where there are several, each line says which it is about.
    const { host } = config.server;
    const log = length === 1 ? this.#log : this.#log.child({ server: host }, { msgPrefix: `[${host}] ` });
    const sharing = this.#sharing;
    const nextSessionId = (): number => sharing?.worker?.nextSessionId() ?? (this.#sessions += 1);
    return Instance.create(config, {
      identities: this.#identities,
      nextSessionId,
      secret: this.#secret,
      observer: this.#observe?.(host),
      onSessions: this.#onSessions,
      tracer: this.#tracer,
      key,
      sharing,
      log,
    });
  }

  async #add(key: string, instance: Instance): Promise<void> {
    try {
      await instance.listen([]);
      this.#instances.set(key, instance);
      this.#announce(instance);
    } catch (error) {
      this.#tell(error);
    }
  }

  async #change(known: Instance, wanted: Instance): Promise<void> {
    try {
      await known.takeOver(wanted);
      this.#announce(known);
    } catch (error) {
      this.#tell(error);
    }
  }

  #announce(instance: Instance): void {
    // A worker has nothing of its own to tell.
    if (this.#sharing?.worker !== undefined) return;
    instance.announce().catch((error: unknown) => this.#tell(error));
  }

  #remove(key: string, instance: Instance, drainTimeoutMs: number): void {
    this.#instances.delete(key);
    this.#leaving.add(instance);
    instance
      .drain(drainTimeoutMs)
      .catch((error: unknown) => this.#tell(error))
      .finally(() => this.#leaving.delete(instance));
  }

  #tell(error: unknown): void {
    const fields = { event: 'reload-failed', error: describeError(error) };
    this.#log.error(fields, explainError(error));
  }
}

/** Each server with what it listens on; any free port is told apart by the server's name and number. */
function keyed(servers: readonly ServerConfig[]): [string, ServerConfig][] {
  const seen = new Map<string, number>();
  return servers.map((config) => {
    const { settings, given, server } = config;
    const { port, 'unix-socket': path = '' } = settings;
    const address = listensOnTcp(settings, given) ? settings.address : '';
    const key = JSON.stringify([path, address, port, ...(port === 0 ? [server.host] : [])]);
    const number = (seen.get(key) ?? 0) + 1;
    seen.set(key, number);
    return [`${key} ${number}`, config];
  });
}
