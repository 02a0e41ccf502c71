import { PeerClosedError, ProxyError, SqlState, toProxyError } from '../errors.ts';
import { describeError } from '../log.ts';
import { ForeignProtocolError } from './client-login.ts';
import type { SessionOutcome } from './observer.ts';
import type { RelayEnd } from './relay.ts';
import { ServerRejection } from './server-login.ts';

type Outcome = Pick<SessionOutcome, 'result' | 'sqlState'>;

/** How the proxy ended a session, by the relay's reason; any other is one of the limits. */
const PROXY_ENDINGS: Readonly<Record<string, Outcome>> = {
  drained: { result: 'drained', sqlState: SqlState.adminShutdown },
  stopped: { result: 'cut', sqlState: SqlState.adminShutdown },
  idle: { result: 'retired', sqlState: SqlState.sessionTimeout },
};

/**
 * What became of a session, for who counts.
 *
 * @param kind - `connection` if its client has not said what it wants: no session, unless it was refused.
 * @returns undefined for what was no session.
 */
export function outcomeOf(
  kind: 'connection' | 'session',
  end: RelayEnd | undefined,
  error: unknown,
): SessionOutcome | undefined {
  if (error !== undefined) return failure(kind, error);
  if (end === undefined) return undefined;
  const { bytesFromClient, bytesFromServer } = end;
  return { ...ending(end), error: undefined, bytesFromClient, bytesFromServer };
}

/** Whether a session found no way to the server, as opposed to what the server said then. */
export function isDialFailure(error: unknown): boolean {
  return error instanceof ProxyError && error.sqlState === SqlState.cannotConnect;
}

function ending({ endedBy, reason }: RelayEnd): Outcome {
  if (endedBy === 'client') return { result: 'completed', sqlState: undefined };
  if (endedBy === 'proxy')
    return PROXY_ENDINGS[reason] ?? { result: 'retired', sqlState: SqlState.adminShutdown };
  if (reason === 'FATAL error') return { result: 'server_ended', sqlState: undefined };
  return { result: 'server_lost', sqlState: SqlState.connectionFailure };
}

function failure(kind: 'connection' | 'session', error: unknown): SessionOutcome | undefined {
  const nothing = { bytesFromClient: 0, bytesFromServer: 0 };
  if (error instanceof PeerClosedError && error.peer === 'client')
    return kind === 'connection'
      ? undefined
      : { result: 'client_left', sqlState: undefined, error: undefined, ...nothing };
  if (error instanceof ServerRejection) {
    const { sqlState, hint } = error.fields;
    return { result: 'rejected', sqlState, error: { message: describeError(error, 0), hint }, ...nothing };
  }
  if (error instanceof ForeignProtocolError)
    return {
      result: 'refused',
      sqlState: undefined,
      error: { message: describeError(error, 0), hint: undefined },
      ...nothing,
    };
  const { sqlState, message, hint } = toProxyError(error);
  return { result: 'refused', sqlState, error: { message, hint }, ...nothing };
}
