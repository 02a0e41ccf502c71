import { describeError, explainError, type Logger } from '../log.ts';
import type { TokenEvent } from './token-cache.ts';

/** A listener for a token cache: one line for each change of state, not for each try. */
export function tokenLog(log: Logger): (event: TokenEvent) => void {
  let failing = false;
  return (event) => {
    if (event.kind === 'refreshed') {
      const { expiresAt } = event.token;
      const fields = { event: 'token', tokenExpiresAt: new Date(expiresAt) };
      log[failing ? 'info' : 'debug'](fields, `token refreshed, valid until ${clock(expiresAt)}`);
      failing = false;
      return;
    }
    const { error, validUntil } = event;
    const held =
      validUntil === undefined
        ? 'no login possible'
        : `logins go on with the one valid until ${clock(validUntil)}`;
    const level = failing ? 'debug' : validUntil === undefined ? 'error' : 'warn';
    const fields = {
      event: 'token-failed',
      error: describeError(error),
      validUntil: validUntil && new Date(validUntil),
    };
    log[level](fields, `no fresh token, ${held}: ${explainError(error)}`);
    failing = true;
  };
}

/** A wall-clock time (milliseconds since 1970) as people here read it. */
export function clock(time: number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}
