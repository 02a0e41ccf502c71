import type { ServerConfig } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Identity } from '../identity/identity.ts';
import { CancelKeys } from '../proxy/cancel.ts';
import { KnownMethods } from '../proxy/known-methods.ts';
import { LoginGate } from '../proxy/login-gate.ts';
import type { SessionObserver } from '../proxy/observer.ts';
import type { ClientLogin } from '../proxy/policy.ts';
import type { SessionDeps } from '../proxy/session.ts';
import { SessionLimits } from '../proxy/session-limits.ts';
import { Availability } from '../upstream/availability.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { createTrust } from '../upstream/trust.ts';
import { WarmConnections } from '../upstream/warm.ts';
import { CountedRegistry } from './session-counts.ts';
import type { Sharing } from './workers/sharing.ts';

/** Whom clients log in as, and which of them: those that name a certain user, or all others. */
export interface Member {
  readonly clientUser: string | undefined;
  readonly settings: Settings;
  readonly identity: Identity;
}

/** Who hears of what happens. */
export interface DepsEvents {
  readonly observer?: SessionObserver | undefined;
  /** Told whenever a session begins or ends. */
  readonly onSessions?: ((change: 1 | -1) => void) | undefined;
  /** Where there are other processes. */
  readonly sharing?: Sharing | undefined;
}

/** What a server's sessions share, as far as the configuration says it. */
export function createDeps(
  config: ServerConfig,
  main: Member,
  mapped: readonly Member[],
  { observer, onSessions = () => {}, sharing }: DepsEvents = {},
): Omit<SessionDeps, 'nextSessionId' | 'log'> {
  const { settings, preset, clientUsers } = config;
  const passedThrough = [...clientUsers].filter(([, { kind }]) => kind === 'passThrough');
  const logins: [string, ClientLogin][] = [
    ...passedThrough.map(([name]): [string, ClientLogin] => [name, { kind: 'passThrough' }]),
    ...mapped.map(({ clientUser = '', identity }): [string, ClientLogin] => [
      clientUser,
      { kind: 'identity', identity },
    ]),
  ];
  const loginGate = new LoginGate(settings['max-logins']);
  const upstream = createUpstream(config);
  return {
    upstream,
    warm: createWarm(upstream, settings.warm, loginGate, observer),
    knownMethods: new KnownMethods(),
    policy: {
      login: { kind: 'identity', identity: main.identity },
      clientUsers: new Map(logins),
      allowedUsers: setOf(settings['allow-users']),
      allowedDatabases: setOf(settings['allow-databases']),
      refusesReplication: settings['refuse-replication'],
      database: settings.database,
      options: preset.options,
    },
    registry:
      sharing?.worker?.createRegistry(settings['max-sessions']) ??
      new CountedRegistry(settings['max-sessions'], onSessions),
    takePlace: sharing?.worker?.takePlace,
    cancelKeys: new CancelKeys(sharing?.cancelElsewhere),
    loginTimeoutMs: settings['login-timeout'],
    loginGate,
    sessionLimits: new SessionLimits({
      idleTimeoutMs: settings['idle-session-timeout'],
      maxAgeMs: settings['max-session-age'],
    }),
  };
}

/** Where the server is, and what it must prove. */
export function createUpstream({ server, settings, preset }: ServerConfig): Upstream {
  return {
    address: settings['upstream-address'] ?? server.host,
    port: server.port ?? settings['upstream-port'] ?? preset.port,
    trust: createTrust(
      settings.ca,
      settings['server-name'] ?? server.host,
      settings['tls-min'],
      settings.pin,
    ),
    connectTimeoutMs: settings['connect-timeout'],
    availability: new Availability(),
  };
}

function createWarm(
  upstream: Upstream,
  limit: number,
  loginGate: LoginGate,
  observer: SessionObserver | undefined,
): WarmConnections | undefined {
  if (limit === 0) return undefined;
  return new WarmConnections({
    limit,
    isBusy: () => loginGate.waitingCount > 0,
    dial: async (signal) => {
      try {
        const dialled = await dialUpstream(upstream, signal);
        observer?.dialled('ok');
        return dialled;
      } catch (error) {
        if (!signal.aborted) observer?.dialled('failed');
        throw error;
      }
    },
  });
}

function setOf(names: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return names === undefined ? undefined : new Set(names);
}
