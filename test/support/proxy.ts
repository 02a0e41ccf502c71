import { connect, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import pg from 'pg';
import { Identity } from '../../src/identity/identity.ts';
import { TokenCache } from '../../src/identity/token-cache.ts';
import type { TokenSource } from '../../src/identity/token-source.ts';
import { CancelKeys } from '../../src/proxy/cancel.ts';
import { KnownMethods } from '../../src/proxy/known-methods.ts';
import type { LocalAuthentication } from '../../src/proxy/local-auth.ts';
import type { LocalTls } from '../../src/proxy/local-tls.ts';
import { LoginGate } from '../../src/proxy/login-gate.ts';
import type { LoginTracer } from '../../src/proxy/login-trace.ts';
import type { ClientLogin } from '../../src/proxy/policy.ts';
import { SessionRegistry } from '../../src/proxy/registry.ts';
import {
  type ListenAddress,
  type ProxyServer,
  type ServerOptions,
  startServer,
} from '../../src/proxy/server.ts';
import type { SessionDeps } from '../../src/proxy/session.ts';
import { type SessionLimitOptions, SessionLimits } from '../../src/proxy/session-limits.ts';
import type { Availability } from '../../src/upstream/availability.ts';
import type { WarmConnections } from '../../src/upstream/warm.ts';
import { createMemoryLog, type MemoryLog } from './log.ts';
import { SERVER_NAME, type TestServer } from './postgres.ts';
import { TestTokenSource } from './tokens.ts';
import { until } from './wait.ts';

export interface TestProxyOptions {
  /** What to dial, and the CA to trust. */
  readonly upstream: { readonly port: number; readonly caPem: string; readonly address?: string };
  readonly tokens: TokenSource;
  readonly role?: string;
  readonly clientUsers?: ReadonlyMap<string, ClientLogin>;
  readonly database?: string;
  readonly serverName?: string;
  readonly maxSessions?: number;
  readonly loginTimeoutMs?: number;
  readonly loginGate?: LoginGate;
  /** Default: each login dials. */
  readonly warm?: WarmConnections;
  readonly limits?: SessionLimitOptions;
  readonly connectTimeoutMs?: number;
  /** What the proxy knows of its server's being there; without it, each login is tried once. */
  readonly availability?: Availability;
  readonly tracer?: LoginTracer;
  readonly localTls?: LocalTls;
  readonly localAuth?: Omit<LocalAuthentication, 'user'>;
  /** Default: any free port of 127.0.0.1. */
  readonly listen?: readonly ListenAddress[];
  readonly server?: ServerOptions;
}

/** The real listener and sessions, in this process, with their log in memory. */
export interface TestProxy extends AsyncDisposable {
  /** Of the first TCP listener. */
  readonly port: number;
  readonly server: ProxyServer;
  readonly deps: SessionDeps;
  readonly tokens: TokenCache;
  readonly log: MemoryLog;
  /** A bare connection to the proxy. */
  dial(): Socket;
  /** Waits until no connection is left. */
  idle(): Promise<void>;
}

export async function startProxy(options: TestProxyOptions): Promise<TestProxy> {
  const { upstream, serverName = SERVER_NAME } = options;
  const log = createMemoryLog();
  const tokens = new TokenCache(options.tokens, { fetchTimeoutMs: 10_000 });
  const identity = new Identity(tokens, options.role);
  let sessions = 0;
  const deps: SessionDeps = {
    upstream: {
      get address() {
        return upstream.address ?? '127.0.0.1';
      },
      port: upstream.port,
      trust: { roots: 'the test CA', serverName, secureContext: createSecureContext({ ca: upstream.caPem }) },
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      availability: options.availability,
    },
    policy: {
      login: { kind: 'identity', identity },
      clientUsers: options.clientUsers,
      database: options.database,
    },
    registry: new SessionRegistry(options.maxSessions ?? 1_000),
    nextSessionId: () => (sessions += 1),
    cancelKeys: new CancelKeys(),
    loginTimeoutMs: options.loginTimeoutMs ?? 20_000,
    tracer: options.tracer,
    knownMethods: new KnownMethods(),
    warm: options.warm,
    loginGate: options.loginGate ?? new LoginGate(Number.POSITIVE_INFINITY),
    sessionLimits: new SessionLimits(options.limits ?? {}),
    localTls: options.localTls,
    localAuth: options.localAuth,
    log: log.log,
  };
  const listen = options.listen ?? [{ kind: 'tcp', address: '127.0.0.1', port: 0 }];
  const server = await startServer(listen, () => deps, options.server);
  const [port = 0] = server.listeners.flatMap((one) => (one.kind === 'tcp' ? [one.port] : []));
  return {
    port,
    server,
    deps,
    tokens,
    log,
    dial: () => connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
    idle: () => until('the last connection to go', () => deps.registry.connectionCount === 0),
    async [Symbol.asyncDispose]() {
      await server.drain(0);
      tokens.close();
    },
  };
}

/** A proxy in front of a real PostgreSQL, with the token that it accepts. */
export function proxyTo(server: TestServer, options: Partial<TestProxyOptions> = {}): Promise<TestProxy> {
  const upstream = { port: server.postgres.port, caPem: server.authority.certPem };
  return startProxy({ upstream, tokens: new TestTokenSource(server.token), ...options });
}

export interface TestClient extends AsyncDisposable {
  readonly client: pg.Client;
}

/** A connected `pg` client without a password, which hears of its end instead of failing on it. */
export async function connectPg(port: number, options: pg.ClientConfig = {}): Promise<TestClient> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'anyone',
    database: 'app',
    ssl: false,
    ...options,
  });
  client.on('error', () => {});
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}
