import { describeError, explainError, type Logger } from '../log.ts';
import type { TokenEvent } from './token-cache.ts';

/** A listener for a token cache: one line for each change of state, not for each try. */
export function tokenLog(log: Logger): (event: TokenEvent) => void {
  let state: 'well' | 'failing' | 'none left' = 'well';
  return (event) => {
    if (event.kind === 'refreshed') {
      const { expiresAt } = event.token;
      const fields = { event: 'token', tokenExpiresAt: new Date(expiresAt) };
      log[state === 'well' ? 'debug' : 'info'](fields, `token refreshed, valid until ${clock(expiresAt)}`);
      state = 'well';
      return;
    }
    const { error, validUntil } = event;
    const held =
      validUntil === undefined
        ? 'no login possible'
        : `logins go on with the one valid until ${clock(validUntil)}`;
    const before = state;
    state = validUntil === undefined ? 'none left' : 'failing';
    const level = state === before ? 'debug' : state === 'failing' ? 'warn' : 'error';
    const fields = {
      event: 'token-failed',
      error: describeError(error),
      validUntil: validUntil && new Date(validUntil),
    };
    log[level](fields, `no fresh token, ${held}: ${explainError(error)}`);
  };
}

const HALF_A_DAY_MS = 43_200_000;

/** A wall-clock time (milliseconds since 1970) as people here read it; with the date if it is not near. */
export function clock(time: number): string {
  const isNear = Math.abs(time - Date.now()) < HALF_A_DAY_MS;
  // Sweden writes 2026-11-22 14:32:10.
  return isNear ? new Date(time).toLocaleTimeString('sv-SE') : new Date(time).toLocaleString('sv-SE');
}
