import { type AdminView, type IdentityView, type LoginView, type ServerView } from '../admin/view.ts';
import { describeListener } from '../proxy/listener.ts';
import type { Fleet } from './fleet.ts';
import type { Identities } from './identities.ts';
import type { Instance } from './instance.ts';

/** What only the program itself knows, and can do. */
export interface AdminActions {
  readonly version: string;
  readonly isListening: () => boolean;
  readonly isDraining: () => boolean;
  readonly drain: () => void;
  readonly quit: () => void;
  /** Looks at what other processes have in hand. */
  readonly look?: (() => Promise<void>) | undefined;
}

/** The program as the admin listener shows it: always as it is at that moment. */
export function createAdminView(fleet: Fleet, identities: Identities, actions: AdminActions): AdminView {
  return {
    version: actions.version,
    get isListening() {
      return actions.isListening();
    },
    get isDraining() {
      return actions.isDraining();
    },
    servers: () => [
      ...fleet.instances.map((instance) => describeInstance(instance, identities, false)),
      ...fleet.leaving.map((instance) => describeInstance(instance, identities, true)),
    ],
    identities: () => identities.all.map(describeIdentity),
    drain: actions.drain,
    quit: actions.quit,
    look: actions.look,
  };
}

function describeInstance(instance: Instance, identities: Identities, isRemoved: boolean): ServerView {
  const { config, deps, members, listeners } = instance.inside;
  const { registry, upstream } = deps;
  return {
    host: config.server.host,
    upstream: `${upstream.address}:${upstream.port}`,
    listeners: listeners.map(describeListener),
    logins: members.map(({ clientUser, identity }): LoginView => {
      const shared = identities.all.find(({ tokens }) => tokens === identity.tokens);
      return { clientUser, role: identity.knownRole, identity: shared?.name ?? '' };
    }),
    isRemoved,
    isDraining: registry.draining,
    connectionCount: registry.connectionCount,
    sessionCount: registry.sessionCount,
    maxSessions: registry.maxSessions,
    ...instance.load,
    sessions: () => registry.views(),
  };
}

function describeIdentity({ name, scope, tokens }: Identities['all'][number]): IdentityView {
  return {
    name,
    credential: tokens.credential,
    scope,
    tokenExpiresAt: tokens.current?.expiresAt,
    nextRefreshAt: tokens.refreshAt,
    failure: tokens.failure,
  };
}
