import type { AdminListener } from '../admin/http.ts';
import type { Observations } from '../admin/observations.ts';
import type { Config } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { UsageError } from '../errors.ts';
import { createLogger, describeError, explainError, type Logger } from '../log.ts';
import { takeInheritedSockets } from '../proxy/inherited.ts';
import type { LoginTracer } from '../proxy/login-trace.ts';
import { createOtlpTracer } from '../proxy/otlp-tracer.ts';
import { type AdminActions, createAdminView } from './admin-view.ts';
import { Ending } from './ending.ts';
import { Fleet } from './fleet.ts';
import { Identities } from './identities.ts';
import { IdleExit } from './idle-exit.ts';
import { Reloading } from './reloading.ts';
import { ServiceManager } from './service-manager.ts';
import { CutCount } from './session-counts.ts';
import { StopRequests, watchSignals } from './signals.ts';
import type { Workers, WorkersOptions } from './workers/workers.ts';

/**
 * `pg-entra-proxy run`: serves until it is asked to stop.
 *
 * @param readConfig - reads the configuration, at first and whenever SIGHUP asks for it.
 * @returns the exit status: 0 done, 1 could not start, or had to cut a session.
 * @throws UsageError if the configuration has problems at first.
 */
export async function run(readConfig: () => Config, version: string): Promise<number> {
  const config = readConfig();
  const { settings } = config;
  const format = settings['log-format'] ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const log = await createLogger(settings['log-level'], format);
  for (const warning of config.warnings) log.warn({ event: 'config' }, warning);
  const tracer = await createOtlpTracer(version, log);
  const observations = await createObservations(settings);
  // One process needs nothing of it.
  const createWorkers =
    settings.workers > 1 ? (await import('./workers/workers.ts')).createWorkers : undefined;
  const program = new Program(readConfig, config, log, { tracer, observations, version, createWorkers });
  try {
    return await program.run();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    for (const one of error instanceof AggregateError ? error.errors : [error]) {
      log.fatal({ event: 'start-failed', error: describeError(one) }, `cannot start: ${explainError(one)}`);
    }
    return 1;
  } finally {
    await program.close();
    await tracer?.close();
  }
}

/**
 * Does what can be done without listening or asking anybody.
 *
 * @throws UsageError if a file that a server needs cannot be used.
 */
export async function checkConfig(config: Config): Promise<void> {
  const log = await createLogger('fatal', 'json');
  await new Fleet(new Identities(log), log).prepare(config);
}

/** What is only for the admin listener is not even loaded without one: metrics are a library of their own. */
async function createObservations(settings: Settings): Promise<Observations | undefined> {
  if (settings['admin-port'] === undefined) return undefined;
  const { Observations } = await import('../admin/observations.ts');
  return new Observations();
}

/** What a program has of others. */
interface Surroundings {
  readonly tracer: LoginTracer | undefined;
  readonly observations: Observations | undefined;
  readonly version: string;
  readonly createWorkers: ((options: WorkersOptions) => Workers) | undefined;
}

/** All parts of the running program, and who tells whom. */
class Program {
  readonly #log: Logger;
  readonly #requests = new StopRequests();
  readonly #observations: Observations | undefined;
  readonly #cuts = new CutCount();
  readonly #identities: Identities;
  readonly #fleet: Fleet;
  readonly #reloading: Reloading;
  readonly #ending: Ending;
  readonly #idleExit: IdleExit;
  readonly #manager: ServiceManager;
  readonly #version: string;
  readonly #workers: Workers | undefined;
  #isListening = false;
  #isHopeless = false;
  #isOver = false;
  #admin: AdminListener | undefined;

  constructor(
    readConfig: () => Config,
    config: Config,
    log: Logger,
    { tracer, observations, version, createWorkers }: Surroundings,
  ) {
    this.#log = log;
    this.#version = version;
    this.#observations = observations;
    const settings = (): Settings => this.#reloading.config.settings;
    this.#idleExit = new IdleExit(
      () => settings()['exit-when-idle'],
      () => this.#requests.ask(),
    );
    this.#identities = new Identities(log, observations && ((name) => observations.tokenListener(name)));
    const observe = (host: string) => this.#cuts.observer(observations?.observerOf(host));
    this.#workers = createWorkers?.({
      config,
      version,
      identities: this.#identities,
      observe,
      upstreamOf: (key) => this.#fleet.upstreamOf(key),
      onHopeless: () => this.#giveUp(),
      log,
    });
    const { sharing } = this.#workers ?? {};
    this.#fleet = new Fleet(this.#identities, log, observe, this.#idleExit.change, tracer, sharing);
    this.#reloading = new Reloading(readConfig, config, this.#fleet, log);
    this.#ending = new Ending(this.#fleet, this.#cuts, settings, log);
    this.#manager = new ServiceManager(log);
    // To the process's very end: a signal that comes late must not change the status of a good one.
    watchSignals(this.#requests, () => this.#reload());
  }

  /** @returns the exit status. */
  async run(): Promise<number> {
    const { config } = this.#reloading;
    // Before anything starts another process.
    const inherited = takeInheritedSockets();
    await this.#fleet.prepare(config);
    await this.#startAdmin(config.settings);
    await this.#workers?.start();
    const { instances } = this.#fleet;
    if (config.settings['fail-fast']) await Promise.all(instances.map((instance) => instance.testLogins()));
    await this.#fleet.listen(inherited);
    this.#isListening = true;
    void this.#manager.ready(this.#identities.warmUp());
    const announced = Promise.all(instances.map((instance) => instance.announce()));
    const asked = this.#requests.first;
    await Promise.race([asked, announced.then(() => asked)]);
    this.#manager.stopping();
    await Promise.race([this.#ending.drain(), this.#requests.second.then(() => this.#ending.stop())]);
    await this.#workers?.close();
    return this.#ending.tell() === 0 && !this.#isHopeless ? 0 : 1;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#admin?.close();
    this.#idleExit.close();
    this.#identities.close();
    this.#manager.close();
    await this.#workers?.close();
  }

  async #startAdmin(settings: Settings): Promise<void> {
    const { 'admin-address': address, 'admin-port': port, 'admin-quit': allowQuit } = settings;
    if (port === undefined || this.#observations === undefined) return;
    const actions: AdminActions = {
      version: this.#version,
      isListening: () => this.#isListening,
      isDraining: () => this.#ending.hasBegun,
      drain: () => void this.#ending.drain(),
      quit: () => this.#requests.ask(),
      look: this.#workers && (() => this.#workers?.look() ?? Promise.resolve()),
    };
    const view = createAdminView(this.#fleet, this.#identities, actions);
    const { startAdmin } = await import('../admin/http.ts');
    const log = this.#log;
    this.#admin = await startAdmin({ address, port, allowQuit, log }, view, this.#observations);
    const { address: host, port: actual } = this.#admin;
    log.info(
      { event: 'admin-listening', address: host, port: actual },
      `admin listener on ${host}:${actual}`,
    );
  }

  /** Workers die as soon as they are there. */
  #giveUp(): void {
    this.#isHopeless = true;
    this.#requests.ask();
  }

  #reload(): void {
    // What would be new would not be ended.
    if (!this.#ending.hasBegun && !this.#isOver) void this.#manager.reloading(this.#reloading.ask());
  }
}
