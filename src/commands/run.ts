import type { Config } from '../config/load.ts';
import { createLogger, describeError, explainError, type Logger } from '../log.ts';
import { Identities } from './identities.ts';
import { Instance } from './instance.ts';
import { type Signals, watchSignals } from './signals.ts';

/**
 * `pg-entra-proxy run`: serves until a signal says stop.
 *
 * @returns the exit status: 0 done, 1 could not start.
 */
export async function run({ settings, servers, warnings }: Config): Promise<number> {
  const format = settings['log-format'] ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const log = await createLogger(settings['log-level'], format);
  for (const warning of warnings) log.warn({ event: 'config' }, warning);
  const identities = new Identities(log);
  const signals = watchSignals();
  try {
    let sessions = 0;
    const nextSessionId = (): number => (sessions += 1);
    const instances = servers.map((config) => {
      // Where there are several, each line says which it is about.
      const { host } = config.server;
      const ownLog = servers.length === 1 ? log : log.child({ server: host }, { msgPrefix: `[${host}] ` });
      return new Instance(config, identities, nextSessionId, ownLog);
    });
    if (settings['fail-fast']) await Promise.all(instances.map((instance) => instance.testLogins()));
    await listenAll(instances);
    identities.warmUp();
    const announced = Promise.all(instances.map((instance) => instance.announce()));
    await Promise.race([signals.first, announced.then(() => signals.first)]);
    await shutDown(instances, log, settings['drain-timeout'], signals);
    return 0;
  } catch (error) {
    for (const one of error instanceof AggregateError ? error.errors : [error]) {
      log.fatal({ event: 'start-failed', error: describeError(one) }, `cannot start: ${explainError(one)}`);
    }
    return 1;
  } finally {
    identities.close();
    signals.close();
  }
}

/** @throws AggregateError with every listener that could not be had. */
async function listenAll(instances: readonly Instance[]): Promise<void> {
  const results = await Promise.allSettled(instances.map((instance) => instance.listen()));
  const errors = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }) => reason as unknown);
  if (errors.length > 0) throw new AggregateError(errors);
}

async function shutDown(
  instances: readonly Instance[],
  log: Logger,
  timeoutMs: number,
  { second }: Signals,
): Promise<void> {
  const open = (): number => instances.reduce((sum, { connectionCount }) => sum + connectionCount, 0);
  const count = open();
  const patience = `up to ${timeoutMs / 1000} s; a second signal ends them at once`;
  log.info(
    { event: 'stopping', sessions: count },
    `stopping${count === 0 ? '' : `: waiting for ${count} sessions, ${patience}`}`,
  );
  const drained = Promise.all(instances.map((instance) => instance.drain(timeoutMs)));
  const cut = await Promise.race([
    drained.then((cuts) => cuts.reduce((sum, one) => sum + one, 0)),
    second.then(() => {
      const left = open();
      for (const instance of instances) instance.stop();
      return left;
    }),
  ]);
  log.info({ event: 'stopped', cut }, cut === 0 ? 'stopped, no session cut' : `stopped, ${cut} sessions cut`);
}
