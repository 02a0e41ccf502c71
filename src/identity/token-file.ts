import { constants, open } from 'node:fs/promises';
import { ProxyError, SqlState } from '../errors.ts';
import { MAX_PASSWORD_LENGTH } from '../protocol/limits.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

/** How soon a rewritten file is noticed, in milliseconds. */
const REREAD_MS = 5_000;

/** A pipe that nobody writes to is then read as empty, instead of blocking a thread. Not on Windows. */
const NONBLOCKING = constants.O_NONBLOCK ?? 0;

/** A token that something else keeps fresh in a file. */
export class TokenFile implements TokenSource {
  readonly name = 'token-file';
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    signal.throwIfAborted();
    const text = await this.#read();
    signal.throwIfAborted();
    const now = Date.now();
    return createAccessToken(text.trim(), `the file ${this.#path}`, { refreshAt: now + REREAD_MS, now });
  }

  async #read(): Promise<string> {
    try {
      await using file = await open(this.#path, constants.O_RDONLY | NONBLOCKING);
      // One byte more than a token may have, and room for line ends: enough to see that it is too long.
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_PASSWORD_LENGTH + 16), { position: 0 });
      return buffer.toString('utf8', 0, bytesRead);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      throw new ProxyError(
        SqlState.invalidAuthorization,
        `cannot read the token file ${this.#path}: ${reason}`,
        {
          hint: 'Check --token-file, and that the file is there and readable for the user that the proxy runs as.',
          cause: error,
        },
      );
    }
  }
}
