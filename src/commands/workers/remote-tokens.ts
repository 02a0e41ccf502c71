import { EXPIRY_SLACK_MS, type Tokens } from '../../identity/token-cache.ts';
import type { AccessToken } from '../../identity/token-source.ts';
import type { PrimaryCalls, WorkerCalls } from './calls.ts';
import type { Channel } from './channel.ts';

/**
 * One identity's token, whose cache is in the primary process. Each new one comes here unasked, so that a
 * login asks nobody; only without a valid one is the cache asked, once for all who wait.
 */
export class RemoteTokens implements Tokens {
  readonly credential: string;
  readonly #primary: Channel<WorkerCalls, PrimaryCalls>;
  readonly #identity: string;
  #token: AccessToken | undefined;
  #asked: Promise<AccessToken> | undefined;

  constructor(
    primary: Channel<WorkerCalls, PrimaryCalls>,
    identity: string,
    credential: string,
    token: AccessToken | undefined,
  ) {
    this.#primary = primary;
    this.#identity = identity;
    this.credential = credential;
    this.#token = token;
  }

  get current(): AccessToken | undefined {
    return this.#token;
  }

  keep(token: AccessToken): void {
    this.#token = token;
  }

  /** @throws what the cache throws; ProxyError 57P03 if the primary process is gone. */
  async getToken(): Promise<AccessToken> {
    const token = this.#token;
    if (token !== undefined && Date.now() < token.expiresAt - EXPIRY_SLACK_MS) return token;
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  async replacementFor(refused: AccessToken, options: { fetch: boolean }): Promise<AccessToken | undefined> {
    const request = { identity: this.#identity, refused, fetch: options.fetch };
    const token = await this.#primary.ask('replaceToken', request);
    if (token !== undefined) this.keep(token);
    return token;
  }

  async #ask(): Promise<AccessToken> {
    const token = await this.#primary.ask('getToken', { identity: this.#identity });
    this.keep(token);
    return token;
  }
}
