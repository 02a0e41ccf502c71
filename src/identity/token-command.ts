import { parseArgsStringToArgv } from 'string-argv';
import { ProxyError, SqlState } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { type Outcome, runToEnd } from './child-command.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

const MAX_QUOTED_LENGTH = 500;

/** A token that a command prints: bare, or as the JSON of `az account get-access-token`. */
export class TokenCommand implements TokenSource {
  readonly name = 'token-command';
  readonly #argv: readonly string[];

  /** @param command - split into arguments as a shell splits words, but given to a shell only where it names one. */
  constructor(command: string) {
    this.#argv = parseArgsStringToArgv(command);
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    const origin = `the token command ${this.#argv[0] ?? ''}`.trim();
    const outcome = await runToEnd(this.#argv, signal);
    signal.throwIfAborted();
    if (outcome.failure !== undefined) throw commandFailed(origin, outcome);
    return createAccessToken(...readOutput(outcome.stdout.trim(), origin, Date.now()));
  }
}

type TokenArguments = Parameters<typeof createAccessToken>;

/** Of az's two expiries only `expires_on` counts: the other is a local time without its zone. */
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

function commandFailed(origin: string, { failure, stderr }: Outcome): ProxyError {
  const said = withoutTokens(stderr.trim()).slice(0, MAX_QUOTED_LENGTH);
  return new ProxyError(
    SqlState.invalidAuthorization,
    `${origin} failed (${failure})${said === '' ? '' : `: ${said}`}`,
    {
      hint:
        'Run it by hand, as the user that the proxy runs as; ' +
        "--token-command is given to no shell unless it names one: sh -c '...'.",
    },
  );
}
