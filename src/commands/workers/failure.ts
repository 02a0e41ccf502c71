import { ProxyError, SqlState } from '../../errors.ts';
import { describeError } from '../../log.ts';

/** An error on its way to another process: what may be told to clients, and a text for the log. */
export interface Failure {
  /** Undefined for an error that clients are not told of. */
  readonly told: Pick<ProxyError, 'sqlState' | 'message' | 'hint'> | undefined;
  readonly cause: string | undefined;
}

export function encodeFailure(error: unknown): Failure {
  if (!(error instanceof ProxyError)) return { told: undefined, cause: describeError(error) };
  const { sqlState, message, hint, cause } = error;
  return { told: { sqlState, message, hint }, cause: cause === undefined ? undefined : describeError(cause) };
}

export function decodeFailure({ told, cause }: Failure): Error {
  const reason = cause === undefined ? undefined : new Error(cause);
  if (told === undefined) return reason ?? new Error('unknown');
  const { sqlState, message, hint } = told;
  const options = { ...(hint !== undefined && { hint }), ...(reason && { cause: reason }) };
  return new ProxyError(sqlState, message, options);
}

/** The process at the other end cannot answer any more. */
export function processGone(): ProxyError {
  return new ProxyError(SqlState.cannotConnectNow, 'pg-entra-proxy cannot reach one of its processes', {
    hint: 'Try again in a moment; what happened is in its log.',
  });
}
