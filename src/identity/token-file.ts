import { readSecretFile } from './secret-file.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

/** How soon a rewritten file is noticed, in milliseconds. */
const REREAD_MS = 5_000;

/** A token that something else keeps fresh in a file. */
export class TokenFile implements TokenSource {
  readonly name = 'token-file';
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    signal.throwIfAborted();
    const text = await readSecretFile({ path: this.#path, kind: 'token file', flag: '--token-file' });
    signal.throwIfAborted();
    const now = Date.now();
    return createAccessToken(text.trim(), `the file ${this.#path}`, { refreshAt: now + REREAD_MS, now });
  }
}
