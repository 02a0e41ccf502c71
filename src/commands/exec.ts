import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config, ServerConfig } from '../config/load.ts';
import { ProxyError, SqlState, UsageError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { AccessToken } from '../identity/token-source.ts';
import { createLogger, describeError, explainError, type Logger } from '../log.ts';
import { clientTarget } from '../proxy/listener.ts';
import { createOtlpTracer, type OtlpTracer } from '../proxy/otlp-tracer.ts';
import { Child, Interruption } from './child.ts';
import { clientEnvironment } from './client-environment.ts';
import { Identities } from './identities.ts';
import { Instance } from './instance.ts';
import { createPrivateDirectory } from './private-directory.ts';
import { oneTimeAuth, privateServer } from './private-server.ts';
import { CutCount } from './session-counts.ts';

export interface ExecOptions {
  readonly command: readonly string[];
  /** A port with a one-time password, for clients that know no Unix sockets; on Windows, which has none, always. */
  readonly tcp: boolean;
  /** The variable that gets a URL. */
  readonly urlName: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

/** How long what a command leaves running may take to end its transactions, in milliseconds. */
const MAX_DRAIN_MS = 2_000;

const PASSWORD_LENGTH = 32;

/**
 * `pg-entra-proxy exec`: runs a command with a proxy of its own, which is gone when the command is.
 *
 * @param config - with exactly one server.
 * @returns the command's exit status, or 1 if there is no token, or nowhere to listen.
 * @throws UsageError if a file that the server needs cannot be used.
 */
export async function exec(config: Config, options: ExecOptions): Promise<number> {
  const { settings, given, warnings } = config;
  // Standard error is the command's.
  const level = given.has('log-level') ? settings['log-level'] : 'warn';
  const format = settings['log-format'] ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const log = await createLogger(level, format);
  for (const warning of warnings) log.warn({ event: 'config' }, warning);
  const tracer = await createOtlpTracer(options.version, log);
  const child = new Child();
  const identities = new Identities(log);
  try {
    return await serveCommand(config, options, { child, identities, tracer, log });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Interruption) return error.status;
    log.fatal({ event: 'start-failed', error: describeError(error) }, `cannot start: ${explainError(error)}`);
    return 1;
  } finally {
    identities.close();
    child.close();
    await tracer?.close();
  }
}

interface Context {
  readonly child: Child;
  readonly identities: Identities;
  readonly tracer: OtlpTracer | undefined;
  readonly log: Logger;
}

async function serveCommand(
  { settings, servers }: Config,
  { tcp: wantsTcp, command, urlName, env }: ExecOptions,
  { child, identities, tracer, log }: Context,
): Promise<number> {
  const [server] = servers as readonly [ServerConfig];
  const identity = identities.get(server.settings, server.cloud);
  const token = await child.after(firstToken(identity, identities, server.settings['connect-timeout']));
  const user = await child.after(identity.roleFor(token));
  const tcp = wantsTcp || process.platform === 'win32';
  const directory = tcp ? undefined : createPrivateDirectory(env);
  const password = tcp ? randomBytes(PASSWORD_LENGTH).toString('base64url') : undefined;
  const secret = randomBytes(PASSWORD_LENGTH);
  const cuts = new CutCount();
  let sessions = 0;
  let instance: Instance | undefined;
  try {
    instance = await Instance.create(privateServer(server, directory?.path), {
      identities,
      nextSessionId: () => (sessions += 1),
      secret,
      observer: cuts.observer(),
      tracer,
      log,
      localAuth: password === undefined ? undefined : await oneTimeAuth(user, password, server, secret),
    });
    if (settings['fail-fast']) await child.after(instance.testLogins());
    await instance.listen([]);
    const [at] = instance.inside.listeners.flatMap((listener) => clientTarget(listener) ?? []);
    if (at === undefined) throw new Error('nothing is listened on');
    const database = server.given.get('database')?.text ?? env['PGDATABASE'] ?? 'postgres';
    const target = { ...at, user, password, database };
    return await run(child, command, clientEnvironment(env, target, urlName), log);
  } finally {
    await instance?.drain(Math.min(settings['drain-timeout'], MAX_DRAIN_MS));
    const cut = cuts.count;
    if (cut > 0) log.warn({ event: 'stopped', cut }, `the command has ended, and left ${cut} sessions: cut`);
    directory?.remove();
  }
}

/**
 * Waits for a token, as long as there is hope for one: what will not change is told at once.
 *
 * @throws ProxyError with the reason why there is none.
 */
async function firstToken(
  identity: Identity,
  identities: Identities,
  timeoutMs: number,
): Promise<AccessToken> {
  const ending = new AbortController();
  const patience = delay(timeoutMs, undefined, { signal: ending.signal }).catch(() => {});
  const noTokenYet = new ProxyError(SqlState.cannotConnectNow, `no token came within ${timeoutMs / 1000} s`, {
    hint: 'Entra, or what else gives the token, is slow to answer; see --connect-timeout.',
  });
  try {
    return await within(patience, identity.tokens.getToken(), noTokenYet);
  } catch (error) {
    if (!(error instanceof ProxyError) || error.sqlState !== SqlState.cannotConnectNow) throw error;
    // It goes on trying behind the scenes.
    return await within(patience, identities.firstToken(identity), error);
  } finally {
    ending.abort();
  }
}

async function within<T>(patience: Promise<void>, wait: Promise<T>, otherwise: Error): Promise<T> {
  return Promise.race([wait, patience.then(() => Promise.reject(otherwise))]);
}

async function run(
  child: Child,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  log: Logger,
): Promise<number> {
  const { status, failure } = await child.run(command, env);
  if (failure === undefined) return status;
  const reason = failure.code === 'ENOENT' ? 'there is no such program' : (failure.code ?? 'unknown reason');
  log.fatal({ event: 'command-failed', command: command[0] }, `cannot run ${command[0]}: ${reason}`);
  return status;
}
