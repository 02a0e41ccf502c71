import { ProxyError, SqlState } from '../errors.ts';
import type { Claims } from './claims.ts';
import { FETCH_TIMEOUT_MS } from './entra-credential.ts';
import { noRoleName, roleNameOf } from './role-name.ts';
import type { AccessToken, TokenSource } from './token-source.ts';

/** How long a failure is the answer for all who come: a crowd of logins must not become a flood. */
const FAILURE_MEMORY_MS = 5_000;

export interface ManagementNameOptions {
  readonly fetchTimeoutMs?: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** What was found out about one identity: its name, or why there is none. */
interface Finding {
  readonly objectId: string;
  readonly name: Promise<string>;
  /** When it failed. */
  failedAt?: number;
}

/**
 * The name of an identity whose tokens for the server have none, such as a machine's own: it is in a
 * token for Azure Resource Manager. Asked for once for each identity, whoever waits for it.
 */
export class ManagementName {
  readonly #source: TokenSource | undefined;
  readonly #options: Required<ManagementNameOptions>;
  #last: Finding | undefined;

  constructor(source: TokenSource | undefined, options: ManagementNameOptions = {}) {
    this.#source = source;
    this.#options = { fetchTimeoutMs: FETCH_TIMEOUT_MS, now: () => performance.now(), ...options };
  }

  /**
   * The name of a token's owner.
   *
   * @throws {@link ProxyError} 28000 if there is none, 57P03 if Entra could not be asked.
   */
  of({ claims }: AccessToken): Promise<string> {
    const objectId = claims?.oid;
    const last = this.#last;
    const isOver = last?.failedAt !== undefined && this.#options.now() - last.failedAt >= FAILURE_MEMORY_MS;
    if (last !== undefined && last.objectId === objectId && !isOver) return last.name;
    if (objectId === undefined) return Promise.reject(noRoleName());
    // Shared by every waiting session, so no one session's signal may cancel it.
    const finding: Finding = { objectId, name: this.#find(objectId) };
    finding.name.catch(() => {
      finding.failedAt = this.#options.now();
    });
    this.#last = finding;
    return finding.name;
  }

  async #find(objectId: string): Promise<string> {
    if (this.#source?.fetchManagementClaims === undefined) throw noRoleName();
    const claims = await this.#fetchClaims();
    if (claims?.oid !== objectId) {
      throw noRoleName(new Error('the token for Azure Resource Manager is that of another identity'));
    }
    const name = roleNameOf(claims);
    if (name === undefined) throw noRoleName(new Error('nor does the one for Azure Resource Manager'));
    return name;
  }

  /** Given up after the timeout whether the source listens to the signal or not. */
  async #fetchClaims(): Promise<Claims | undefined> {
    const { fetchTimeoutMs } = this.#options;
    const signal = AbortSignal.timeout(fetchTimeoutMs);
    const { promise: timedOut, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(tooSlow(fetchTimeoutMs)));
    try {
      return await Promise.race([this.#source?.fetchManagementClaims?.(signal), timedOut]);
    } catch (error) {
      throw explain(error);
    }
  }
}

function tooSlow(timeoutMs: number): ProxyError {
  return new ProxyError(SqlState.cannotConnectNow, `none came within ${timeoutMs / 1000} s`, {
    hint: 'Check the network, then try again.',
  });
}

/** What may work later is told as such; anything else is no name. */
function explain(error: unknown): ProxyError {
  if (!(error instanceof ProxyError) || error.sqlState !== SqlState.cannotConnectNow)
    return noRoleName(error);
  return new ProxyError(
    SqlState.cannotConnectNow,
    `the token does not say which role is its owner's, and there is no token for Azure Resource Manager, which may: ${error.message}`,
    { hint: `${error.hint ?? ''} Or give the role with --user NAME.`.trim(), cause: error.cause },
  );
}
