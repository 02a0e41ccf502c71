import { toProxyError } from '../errors.ts';
import { describeError } from '../log.ts';
import { type AdminView, type IdentityView, isUsable, type ServerView } from './view.ts';

/** Why a probe is answered with 503. */
export interface Reason {
  readonly code: 'not-listening' | 'no-first-token' | 'no-usable-token' | 'draining' | 'session-cap';
  readonly server?: string;
  readonly message: string;
}

/**
 * What keeps the program from having started: once there is nothing, there never is again.
 *
 * Only the identity that a server's clients have by default counts, here and for readiness: one that is
 * for a certain client user takes nobody else out of service.
 */
export function startupReasons(view: AdminView): Reason[] {
  const first: Reason[] = view.isListening
    ? []
    : [{ code: 'not-listening', message: 'not all listeners are open yet' }];
  const waiting = current(view).flatMap((server): Reason[] => {
    const identity = mainIdentity(server, view);
    if (identity === undefined || identity.tokenExpiresAt !== undefined) return [];
    return [{ code: 'no-first-token', server: server.host, message: explain('no token yet', identity) }];
  });
  return [...first, ...waiting];
}

/** What speaks against sending clients here. The server itself is not asked: its outage is no reason to leave. */
export function readinessReasons(view: AdminView, now: number): Reason[] {
  const startup = startupReasons(view);
  const draining: Reason[] = view.isDraining ? [{ code: 'draining', message: 'draining' }] : [];
  const servers = current(view).flatMap((server) => serverReasons(server, view, now));
  return [...startup, ...draining, ...servers];
}

function serverReasons(server: ServerView, view: AdminView, now: number): Reason[] {
  const { host, sessionCount, maxSessions } = server;
  const reasons: Reason[] = [];
  const identity = mainIdentity(server, view);
  if (identity?.tokenExpiresAt !== undefined && !isUsable(identity, now))
    reasons.push({
      code: 'no-usable-token',
      server: host,
      message: explain('the token has expired', identity),
    });
  if (server.isDraining && !view.isDraining)
    reasons.push({ code: 'draining', server: host, message: 'draining' });
  if (sessionCount >= maxSessions)
    reasons.push({
      code: 'session-cap',
      server: host,
      message: `${sessionCount} sessions of ${maxSessions} (--max-sessions)`,
    });
  return reasons;
}

/** What is gone from the configuration is on its way out, and nobody's concern. */
function current(view: AdminView): ServerView[] {
  return view.servers().filter(({ isRemoved }) => !isRemoved);
}

function mainIdentity({ logins }: ServerView, view: AdminView): IdentityView | undefined {
  return view.identities().find(({ name }) => name === logins[0]?.identity);
}

function explain(what: string, { failure }: IdentityView): string {
  if (failure === undefined) return what;
  const { sqlState, message } = toProxyError(failure);
  return `${what}: ${sqlState} ${describeError(message)}`;
}
