import type { ServerConfig } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Identity } from '../identity/identity.ts';
import { CancelKeys } from '../proxy/cancel.ts';
import { LoginGate } from '../proxy/login-gate.ts';
import type { ClientLogin } from '../proxy/policy.ts';
import type { SessionDeps } from '../proxy/session.ts';
import { SessionLimits } from '../proxy/session-limits.ts';
import { Availability } from '../upstream/availability.ts';
import { createTrust } from '../upstream/trust.ts';
import { CountedRegistry } from './session-counts.ts';

/** Whom clients log in as, and which of them: those that name a certain user, or all others. */
export interface Member {
  readonly clientUser: string | undefined;
  readonly settings: Settings;
  readonly identity: Identity;
}

/** What a server's sessions share, as far as the configuration says it. */
export function createDeps(
  { server, settings, preset, clientUsers }: ServerConfig,
  main: Member,
  mapped: readonly Member[],
  onSessions: (change: 1 | -1) => void = () => {},
): Omit<SessionDeps, 'nextSessionId' | 'log'> {
  const passedThrough = [...clientUsers].filter(([, { kind }]) => kind === 'passThrough');
  const logins: [string, ClientLogin][] = [
    ...passedThrough.map(([name]): [string, ClientLogin] => [name, { kind: 'passThrough' }]),
    ...mapped.map(({ clientUser = '', identity }): [string, ClientLogin] => [
      clientUser,
      { kind: 'identity', identity },
    ]),
  ];
  return {
    upstream: {
      address: settings['upstream-address'] ?? server.host,
      port: server.port ?? settings['upstream-port'] ?? preset.port,
      trust: createTrust(settings.ca, settings['server-name'] ?? server.host, settings['tls-min']),
      connectTimeoutMs: settings['connect-timeout'],
      availability: new Availability(),
    },
    policy: {
      login: { kind: 'identity', identity: main.identity },
      clientUsers: new Map(logins),
      allowedUsers: setOf(settings['allow-users']),
      allowedDatabases: setOf(settings['allow-databases']),
      refusesReplication: settings['refuse-replication'],
      database: settings.database,
      options: preset.options,
    },
    registry: new CountedRegistry(settings['max-sessions'], onSessions),
    cancelKeys: new CancelKeys(),
    loginTimeoutMs: settings['login-timeout'],
    loginGate: new LoginGate(settings['max-logins']),
    sessionLimits: new SessionLimits({
      idleTimeoutMs: settings['idle-session-timeout'],
      maxAgeMs: settings['max-session-age'],
    }),
  };
}

function setOf(names: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return names === undefined ? undefined : new Set(names);
}
