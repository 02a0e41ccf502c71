import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parseArgsStringToArgv } from 'string-argv';
import { ProxyError, SqlState } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

const MAX_OUTPUT_LENGTH = 1_048_576;
const MAX_QUOTED_LENGTH = 500;

/** A token that a command prints: bare, or as the JSON of `az account get-access-token`. */
export class TokenCommand implements TokenSource {
  readonly name = 'token-command';
  readonly #argv: readonly string[];

  /** @param command - split into arguments as a shell splits words, but never given to a shell. */
  constructor(command: string) {
    this.#argv = parseArgsStringToArgv(command);
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    const output = (await this.#run(signal)).trim();
    const now = Date.now();
    return createAccessToken(...readOutput(output, this.#origin, now));
  }

  get #origin(): string {
    return `the token command ${this.#argv[0]}`;
  }

  async #run(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    try {
      return await this.#runUntil(signal);
    } catch (error) {
      signal.throwIfAborted();
      throw commandFailed(this.#origin, error);
    }
  }

  async #runUntil(signal: AbortSignal): Promise<string> {
    const [file = '', ...args] = this.#argv;
    const running = promisify(execFile)(file, args, { maxBuffer: MAX_OUTPUT_LENGTH, windowsHide: true });
    const kill = (): void => void running.child.kill('SIGKILL');
    signal.addEventListener('abort', kill);
    return running.then(({ stdout }) => stdout).finally(() => signal.removeEventListener('abort', kill));
  }
}

type TokenArguments = Parameters<typeof createAccessToken>;

function readOutput(output: string, origin: string, now: number): TokenArguments {
  if (!output.startsWith('{')) return [output, origin, { now }];
  try {
    const json = JSON.parse(output) as { accessToken?: unknown; expires_on?: unknown };
    const expiresAt = typeof json.expires_on === 'number' ? json.expires_on * 1000 : undefined;
    return [typeof json.accessToken === 'string' ? json.accessToken : '', origin, { expiresAt, now }];
  } catch {
    return ['', origin, { now }];
  }
}

function commandFailed(origin: string, error: unknown): ProxyError {
  const { code, signal, stderr } = error as { code?: number | string; signal?: string; stderr?: string };
  const how = typeof code === 'number' ? `exit status ${code}` : (code ?? signal ?? 'unknown reason');
  const said = withoutTokens((stderr ?? '').trim()).slice(0, MAX_QUOTED_LENGTH);
  return new ProxyError(
    SqlState.invalidAuthorization,
    `${origin} failed (${how})${said === '' ? '' : `: ${said}`}`,
    {
      hint: 'Run it by hand, as the user that the proxy runs as; --token-command is not given to a shell.',
    },
  );
}
