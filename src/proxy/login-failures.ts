import { PeerClosedError, ProxyError } from '../errors.ts';
import { withHint } from '../protocol/error-response.ts';
import { DialFailure, type Prospect } from '../upstream/failures.ts';
import { ServerRejection } from './server-login.ts';

/** Admin shutdown, crash shutdown, cannot connect now: what a server says that stops or starts. */
const STOPPING_OR_STARTING: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);

/** What may become of a login that failed, if it is tried again; `lost` if the server went in the middle of it. */
export function prospectOf(error: unknown): Prospect | 'lost' {
  if (error instanceof DialFailure) return error.prospect;
  if (error instanceof ServerRejection)
    return STOPPING_OR_STARTING.has(error.fields.sqlState) ? 'outage' : 'final';
  const cause = error instanceof ProxyError ? error.cause : undefined;
  return cause instanceof PeerClosedError && cause.peer === 'server' ? 'lost' : 'final';
}

/** The last failure of several in its own words, with for how long a login was tried. */
export function triedFor(ms: number, error: unknown): unknown {
  const tried = inSeconds(ms);
  if (error instanceof ServerRejection) {
    if (error.fields.hint !== undefined) return error;
    const hint = `pg-entra-proxy tried for ${tried}: try again, and look at the server's log; see --connect-timeout.`;
    const fields = { ...error.fields, hint };
    return new ServerRejection(error.notices, withHint(error.errorResponse, hint), fields);
  }
  if (!(error instanceof ProxyError)) return error;
  const { sqlState, hint = '', cause } = error;
  const message = `${error.message} (tried for ${tried})`;
  return error instanceof DialFailure
    ? new DialFailure(message, hint, cause)
    : new ProxyError(sqlState, message, { hint, cause });
}

/** A duration for people. */
export function inSeconds(ms: number): string {
  return ms < 1_000 ? 'less than 1 s' : `${Math.round(ms / 1_000)} s`;
}
