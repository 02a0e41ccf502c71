import type { Config } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { createLogger, describeError, explainError, type Logger } from '../log.ts';
import { takeInheritedSockets } from '../proxy/inherited.ts';
import { Fleet } from './fleet.ts';
import { Identities } from './identities.ts';
import { type Signals, watchSignals } from './signals.ts';

/**
 * `pg-entra-proxy run`: serves until a signal says stop.
 *
 * @param readConfig - reads the configuration, at first and whenever SIGHUP asks for it.
 * @returns the exit status: 0 done, 1 could not start.
 * @throws UsageError if the configuration has problems at first.
 */
export async function run(readConfig: () => Config): Promise<number> {
  const config = readConfig();
  const { settings } = config;
  const format = settings['log-format'] ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const log = await createLogger(settings['log-level'], format);
  for (const warning of config.warnings) log.warn({ event: 'config' }, warning);
  const identities = new Identities(log);
  const fleet = new Fleet(identities, log);
  const reloading = new Reloading(readConfig, config, fleet, log);
  const signals = watchSignals(() => reloading.ask());
  try {
    // Before anything starts another process.
    const inherited = takeInheritedSockets();
    await fleet.prepare(config);
    if (settings['fail-fast']) await Promise.all(fleet.instances.map((instance) => instance.testLogins()));
    await fleet.listen(inherited);
    identities.warmUp();
    const announced = Promise.all(fleet.instances.map((instance) => instance.announce()));
    await Promise.race([signals.first, announced.then(() => signals.first)]);
    await shutDown(fleet, log, reloading.config.settings['drain-timeout'], signals);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    for (const one of error instanceof AggregateError ? error.errors : [error]) {
      log.fatal({ event: 'start-failed', error: describeError(one) }, `cannot start: ${explainError(one)}`);
    }
    return 1;
  } finally {
    identities.close();
    signals.close();
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

/** Reads the configuration anew when asked to, one time after the other. */
class Reloading {
  /** The one that counts. */
  config: Config;
  readonly #readConfig: () => Config;
  readonly #fleet: Fleet;
  readonly #log: Logger;
  #last: Promise<void> = Promise.resolve();

  constructor(readConfig: () => Config, config: Config, fleet: Fleet, log: Logger) {
    this.#readConfig = readConfig;
    this.config = config;
    this.#fleet = fleet;
    this.#log = log;
  }

  ask(): void {
    this.#last = this.#last.then(() => this.#reload());
  }

  /** Never rejects: with what is wrong in the new configuration, the old one goes on. */
  async #reload(): Promise<void> {
    try {
      const config = this.#readConfig();
      await this.#fleet.change(config);
      this.config = config;
      this.#log.level = config.settings['log-level'];
      const count = config.servers.length;
      this.#log.info(
        { event: 'reloaded', servers: count },
        `the configuration was read again: ${count} servers`,
      );
    } catch (error) {
      const problems = error instanceof UsageError ? error.problems : [describeError(error)];
      const line = `the configuration cannot be taken over, the old one goes on: ${problems.join('; ')}`;
      this.#log.error({ event: 'reload-failed', problems }, line);
    }
  }
}

async function shutDown(fleet: Fleet, log: Logger, timeoutMs: number, { second }: Signals): Promise<void> {
  const count = fleet.connectionCount;
  const patience = `up to ${timeoutMs / 1000} s; a second signal ends them at once`;
  log.info(
    { event: 'stopping', sessions: count },
    `stopping${count === 0 ? '' : `: waiting for ${count} sessions, ${patience}`}`,
  );
  const cut = await Promise.race([
    fleet.drain(timeoutMs),
    second.then(() => {
      const left = fleet.connectionCount;
      fleet.stop();
      return left;
    }),
  ]);
  log.info({ event: 'stopped', cut }, cut === 0 ? 'stopped, no session cut' : `stopped, ${cut} sessions cut`);
}
