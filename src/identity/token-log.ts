import { describeError, type Logger } from '../log.ts';
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
    const held =
      event.validUntil === undefined
        ? 'there is none'
        : `the one in hand serves until ${clock(event.validUntil)}`;
    const fields = { event: 'token-failed', error: describeError(event.error) };
    log[failing ? 'debug' : 'warn'](fields, `no fresh token, ${held}: ${describeError(event.error, 0)}`);
    failing = true;
  };
}

/** A wall-clock time (milliseconds since 1970) as people here read it. */
export function clock(time: number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}
