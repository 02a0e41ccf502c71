import type { Config } from '../config/load.ts';
import { audienceWarning } from '../identity/audience.ts';
import { createTokenSource, fetchTimeoutOf } from '../identity/credentials.ts';
import { Identity } from '../identity/identity.ts';
import { TokenCache, type TokenEvent } from '../identity/token-cache.ts';
import { clock, tokenLog } from '../identity/token-log.ts';
import type { AccessToken } from '../identity/token-source.ts';
import { createLogger, describeError, explainError, type Logger } from '../log.ts';
import { CancelKeys } from '../proxy/cancel.ts';
import { SessionRegistry } from '../proxy/registry.ts';
import { type ProxyServer, startServer } from '../proxy/server.ts';
import type { SessionDeps } from '../proxy/session.ts';
import { testLogin } from '../proxy/test-login.ts';
import { createTrust } from '../upstream/trust.ts';
import { watchSignals } from './signals.ts';

/**
 * `pg-entra-proxy run`: serves until a signal says stop.
 *
 * @returns the exit status: 0 done, 1 could not start.
 */
export async function run(config: Config): Promise<number> {
  const { settings } = config;
  const onTerminal = process.stderr.isTTY;
  const log = await createLogger(
    settings['log-level'],
    settings['log-format'] ?? (onTerminal ? 'pretty' : 'json'),
  );
  for (const warning of config.warnings) log.warn({ event: 'config' }, warning);
  const firstToken = Promise.withResolvers<AccessToken>();
  const identity = createIdentity(config, log, firstToken.resolve);
  const deps = createDeps(config, identity, log);
  const signals = watchSignals();
  try {
    if (settings['fail-fast']) await testLogin(deps, identity, settings.database ?? 'postgres');
    const server = await listen(config, deps);
    // A failure is told by the cache's own log, and tried again.
    identity.tokens.getToken().catch(() => {});
    const announced = firstToken.promise.then((token) => announce(config, identity, log, server, token));
    await Promise.race([signals.first, announced.then(() => signals.first)]);
    await shutDown(server, deps, settings['drain-timeout'], signals.second);
    return 0;
  } catch (error) {
    const fields = { event: 'start-failed', error: describeError(error) };
    log.fatal(fields, `cannot start: ${explainError(error)}`);
    return 1;
  } finally {
    identity.tokens.close();
    signals.close();
  }
}

function createIdentity(
  { settings, cloud }: Config,
  log: Logger,
  onToken: (token: AccessToken) => void,
): Identity {
  const logEvent = tokenLog(log);
  const onEvent = (event: TokenEvent): void => {
    logEvent(event);
    if (event.kind === 'refreshed') onToken(event.token);
  };
  const source = createTokenSource({
    credential: settings.credential,
    scope: settings.scope ?? cloud.scope,
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
    tellUser: (message) => log.warn({ event: 'sign-in' }, message),
    onChosen: (credential, passedOver) => {
      const others = passedOver.map(({ name, reason }) => `${name} (${reason})`).join(', ');
      const line = `using the credential ${credential}${others === '' ? '' : `; passed over: ${others}`}`;
      log.info({ event: 'credential', credential, passedOver }, line);
    },
  });
  const tokens = new TokenCache(source, { fetchTimeoutMs: fetchTimeoutOf(settings.credential), onEvent });
  return new Identity(tokens, settings.user === 'auto' ? undefined : settings.user);
}

function createDeps({ server, settings, preset }: Config, identity: Identity, log: Logger): SessionDeps {
  return {
    upstream: {
      address: settings['upstream-address'] ?? server.host,
      port: server.port ?? settings['upstream-port'] ?? preset.port,
      trust: createTrust(settings.ca, settings['server-name'] ?? server.host, settings['tls-min']),
      connectTimeoutMs: settings['connect-timeout'],
    },
    policy: {
      login: { kind: 'identity', identity },
      database: settings.database,
      options: preset.options,
    },
    registry: new SessionRegistry(settings['max-sessions']),
    cancelKeys: new CancelKeys(),
    loginTimeoutMs: settings['login-timeout'],
    log,
  };
}

async function listen({ settings }: Config, deps: SessionDeps): Promise<ProxyServer> {
  const { upstream, log } = deps;
  const server = await startServer({ address: settings.address, port: settings.port }, deps);
  const towards = `${upstream.address}:${upstream.port}`;
  const name = upstream.trust.serverName === upstream.address ? '' : ` as ${upstream.trust.serverName}`;
  log.info(
    {
      event: 'listening',
      address: server.address,
      port: server.port,
      upstream: towards,
      serverName: upstream.trust.serverName,
    },
    `listening on ${server.address}:${server.port}, towards ${towards}${name} (TLS roots: ${upstream.trust.roots})`,
  );
  return server;
}

/**
 * Tells who the first token is for, and how to connect.
 *
 * @throws ProxyError 28000 if nobody says which role to log in as: no client could ever get in.
 */
async function announce(
  { settings, cloud }: Config,
  identity: Identity,
  log: Logger,
  server: ProxyServer,
  token: AccessToken,
): Promise<void> {
  const { claims, expiresAt } = token;
  const { credential } = identity.tokens;
  const name = await identity.roleFor(token);
  const fields = { event: 'ready', role: name, credential, tokenExpiresAt: new Date(expiresAt) };
  log.info(
    fields,
    `logging in as ${name} (credential: ${credential}), token valid until ${clock(expiresAt)}`,
  );
  const warning = audienceWarning(claims, settings.scope ?? cloud.scope);
  if (warning !== undefined) log.warn({ event: 'audience' }, warning);
  const host = server.address.includes(':') ? '::1' : server.address;
  const database = settings.database ?? 'postgres';
  log.info({ event: 'hint' }, `connect with:  psql "host=${host} port=${server.port} dbname=${database}"`);
}

async function shutDown(
  server: ProxyServer,
  deps: SessionDeps,
  timeoutMs: number,
  second: Promise<void>,
): Promise<void> {
  const { log, registry } = deps;
  const count = registry.connectionCount;
  const patience = `up to ${timeoutMs / 1000} s; a second signal ends them at once`;
  log.info(
    { event: 'stopping', sessions: count },
    `stopping${count === 0 ? '' : `: waiting for ${count} sessions, ${patience}`}`,
  );
  const drained = server.drain(timeoutMs);
  const cut = await Promise.race([
    drained,
    second.then(() => {
      server.stop();
      return registry.connectionCount;
    }),
  ]);
  log.info({ event: 'stopped', cut }, cut === 0 ? 'stopped, no session cut' : `stopped, ${cut} sessions cut`);
}
