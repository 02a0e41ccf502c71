import { toProxyError } from '../errors.ts';
import { describeError } from '../log.ts';
import type { SessionView } from '../proxy/observer.ts';
import { readinessReasons } from './health.ts';
import type { LastErrors } from './last-errors.ts';
import { type AdminView, type IdentityView, isUsable, type ServerView } from './view.ts';

/** Most sessions that one answer lists; how many there are is told all the same. */
const MAX_LISTED = 1_000;

/** All there is to see, for JSON. What is not known is null; times are ISO 8601. */
export function describeStatus(view: AdminView, lastErrors: LastErrors, now: number): object {
  const reasons = readinessReasons(view, now);
  return {
    version: view.version,
    now: iso(now),
    ready: reasons.length === 0,
    reasons,
    draining: view.isDraining,
    servers: view.servers().map((server) => describeServer(server, lastErrors)),
    identities: view.identities().map((identity) => describeIdentity(identity, now)),
  };
}

function describeServer(server: ServerView, lastErrors: LastErrors): object {
  const { host, upstream, listeners, logins, isRemoved, isDraining, connectionCount } = server;
  return {
    host,
    upstream,
    listeners,
    logins: logins.map(({ clientUser = null, role = null, identity }) => ({ clientUser, role, identity })),
    removed: isRemoved,
    draining: isDraining,
    connections: connectionCount,
    loginsUnderWay: server.loginsUnderWay,
    loginsWaiting: server.loginsWaiting,
    warmConnections: server.warmConnections,
    sessions: { active: server.sessionCount, max: server.maxSessions, list: listSessions(server) },
    lastErrors: lastErrors.of(host).map((error) => ({ ...error, at: iso(error.at) })),
  };
}

function listSessions(server: ServerView): object[] {
  const list: object[] = [];
  for (const session of server.sessions()) {
    if (list.length === MAX_LISTED) break;
    list.push(describeSession(session));
  }
  return list;
}

function describeSession(session: SessionView): object {
  const { applicationName = null, clientUser = null, database = null, role = null, ...rest } = session;
  return { ...rest, applicationName, clientUser, database, role };
}

function describeIdentity(identity: IdentityView, now: number): object {
  const { name, credential, scope, tokenExpiresAt, nextRefreshAt, failure } = identity;
  return {
    name,
    credential,
    scope,
    token: tokenExpiresAt === undefined ? 'none yet' : isUsable(identity, now) ? 'usable' : 'expired',
    tokenExpiresAt: iso(tokenExpiresAt),
    nextRefreshAt: iso(nextRefreshAt),
    lastError: failure === undefined ? null : describeFailure(failure),
  };
}

/** Only what a client would be told too. */
function describeFailure(failure: unknown): object {
  const { sqlState, message, hint = '' } = toProxyError(failure);
  return { sqlState, message: describeError(message), hint: describeError(hint) };
}

function iso(time: number | undefined): string | null {
  return time === undefined || !Number.isFinite(time) ? null : new Date(time).toISOString();
}
