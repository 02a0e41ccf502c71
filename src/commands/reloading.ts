import type { Config } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { describeError, type Logger } from '../log.ts';
import type { Fleet } from './fleet.ts';

/** Reads the configuration anew when asked to, one time after the other. */
export class Reloading {
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

  /** @returns when it is done, one way or the other. */
  ask(): Promise<void> {
    this.#last = this.#last.then(() => this.#reload());
    return this.#last;
  }

  /** Never rejects: with what is wrong in the new configuration, the old one goes on. */
  async #reload(): Promise<void> {
    try {
      const config = this.#readConfig();
      await this.#fleet.change(config);
      if (config.settings.workers !== this.config.settings.workers)
        this.#log.warn(
          { event: 'config' },
          'how many --workers there are changes when the program starts again',
        );
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
