import { ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_LENGTH } from '../protocol/limits.ts';
import { type Claims, decodeClaims } from './claims.ts';

/** An Entra access token, or whatever else the server takes as a cleartext password. */
export interface AccessToken {
  /** Secret: must not reach a log, an error, a metric or a file. */
  readonly value: string;
  /** Wall-clock time in milliseconds since 1970. */
  readonly expiresAt: number;
  /** When the source itself would like to be asked again, where it has a wish. */
  readonly refreshAt?: number | undefined;
  /** What the token says of itself, unverified; undefined when it is not a JWT. */
  readonly claims: Claims | undefined;
}

/** Where tokens come from. */
export interface TokenSource {
  /** The credential's name as `--credential` has it. */
  readonly name: string;
  /**
   * Gets a token, from the network if need be.
   *
   * @param signal - aborts when the fetch has taken too long; a source that cannot stop is abandoned.
   * @throws {@link ProxyError} 28000 if there is no usable credential, 57P03 if it may work later.
   */
  fetchToken(signal: AbortSignal): Promise<AccessToken>;
  /**
   * Gets a token for Azure Resource Manager from the same credential, and gives only what it says of its
   * owner: it opens more doors than any database and is of no other use here.
   *
   * @returns undefined if it is not a JWT.
   * @throws as {@link fetchToken} does.
   */
  fetchManagementClaims?(signal: AbortSignal): Promise<Claims | undefined>;
}

/** How long a token without any expiry is trusted before its source is asked again, in milliseconds. */
const UNKNOWN_LIFETIME_MS = 300_000;

/**
 * Checks what a source handed over and reads its expiry.
 *
 * @param times - what the source knows; without `expiresAt`, the token's `exp` claim counts.
 * @throws {@link ProxyError} 28000 for what cannot be a token. The message never quotes it.
 */
export function createAccessToken(
  value: string,
  origin: string,
  times: {
    readonly expiresAt?: number | undefined;
    readonly refreshAt?: number | undefined;
    readonly now: number;
  },
): AccessToken {
  const problem = tokenProblem(value);
  if (problem !== undefined) {
    throw new ProxyError(SqlState.invalidAuthorization, `${origin} gave no usable token: ${problem}`, {
      hint: 'Expected is one access token, such as az account get-access-token prints, and nothing else.',
    });
  }
  const claims = decodeClaims(value);
  const expiresAt =
    times.expiresAt ?? (claims?.exp === undefined ? times.now + UNKNOWN_LIFETIME_MS : claims.exp * 1000);
  return { value, expiresAt, refreshAt: times.refreshAt, claims };
}

function tokenProblem(value: string): string | undefined {
  if (value === '') return 'it is empty';
  if (Buffer.byteLength(value) > MAX_PASSWORD_LENGTH) return `it is longer than ${MAX_PASSWORD_LENGTH} bytes`;
  if (/[^\x21-\x7e]/.test(value)) return 'it holds spaces, line breaks or other characters no token has';
  return undefined;
}
