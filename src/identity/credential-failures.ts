import { ProxyError, SqlState } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import type { EntraCredentialName } from './credentials.ts';

type MemberName = Exclude<EntraCredentialName, 'default'>;

const HINTS: Readonly<Record<MemberName, string>> = {
  'managed-identity':
    'Check that this machine has a managed identity, and that --client-id is that of a user-assigned one assigned to it.',
  'workload-identity':
    'Check the pod label azure.workload.identity/use, the service account annotation, the federated credential, ' +
    'and that AZURE_FEDERATED_TOKEN_FILE names a file that is there.',
  environment:
    'Check that AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH) are set, and right.',
  'client-secret':
    'Check --tenant-id, --client-id and the secret: it may have expired (App registrations, Certificates & secrets).',
  'client-certificate':
    'Check --tenant-id, --client-id and the certificate: PEM with its private key, registered for the application, not expired.',
  'azure-cli': 'Run az login as the user that the proxy runs as, and see that az is on its PATH.',
  'azure-developer-cli':
    'Run azd auth login as the user that the proxy runs as, and see that azd is on its PATH.',
  'azure-powershell':
    'Run Connect-AzAccount in pwsh as the user that the proxy runs as; the module Az.Accounts must be installed.',
  interactive: 'A browser must open on this machine; without one, use --credential device-code.',
  'device-code': 'Enter the code that the log shows at the address it names, before it expires.',
};

/** Traces of a network or a service that failed, which @azure/identity and az show in texts only. */
const UNREACHABLE =
  /endpoints_resolution_error|network_error|Response had no "|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|temporarily_unavailable|Status code: (?:429|5\d\d)|Max retries exceeded|name resolution|timed out/i;

/**
 * Entra's errors that pass: a time-out, a budget or a service of its own that is out of order, too many
 * requests of the tenant or of this client.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const PASSING = /AADSTS(?:90006|90012|90024|90033|90055|50196)\b/;

/** Entra answered: then it has been reached. */
const ANSWERED = /AADSTS\d+/;

/** What a library says of every answer that never came or made no sense. */
const NO_ANSWER = /endpoints_resolution_error|network_error/;

const PUBLIC_AUTHORITY_HOST = 'https://login.microsoftonline.com';

/** What one fetch of a token met with on the wire: the libraries above keep it to themselves. */
export interface WireReport {
  /** The endpoint asked for a pause: how long, and what it said. */
  throttled?: { readonly retryAfterMs: number; readonly reason: string };
  /** The status of the last answer. */
  status?: number | undefined;
  /** Why the last request got none. */
  failure?: Error | undefined;
}

/** What is known of a failure besides the error itself. */
interface Circumstances extends WireReport {
  readonly authorityHost?: string | undefined;
  /** Which user-assigned managed identity was asked for. */
  readonly clientId?: string | undefined;
  readonly objectId?: string | undefined;
  readonly resourceId?: string | undefined;
}

/** What is to be said of a credential that gave no token: 57P03 where it may work later, else 28000. */
export function credentialFailure(
  name: MemberName,
  error: unknown,
  circumstances: Circumstances,
): ProxyError {
  const { authorityHost, throttled, status = 0, failure } = circumstances;
  if (throttled !== undefined) return credentialThrottled(name, throttled);
  const text = String(error);
  const real = failure !== undefined && NO_ANSWER.test(text) ? failure : error;
  const reason = withoutNoise(real)
    .replace('network_error', `the answer cannot be read (HTTP status ${status})`)
    .slice(0, MAX_REASON_LENGTH);
  const isPassing = status === 429 || status >= 500 || PASSING.test(text);
  if (!isPassing && (!UNREACHABLE.test(text) || ANSWERED.test(text))) {
    const isUnknown = name === 'managed-identity' && /Identity not found/i.test(text);
    const why = isUnknown ? noIdentity(circumstances) : reason;
    return new ProxyError(SqlState.invalidAuthorization, `no token from the credential "${name}": ${why}`, {
      hint: HINTS[name],
      cause: error,
    });
  }
  if (name === 'managed-identity') {
    return new ProxyError(
      SqlState.cannotConnectNow,
      `this machine's managed identity endpoint does not answer: ${reason}`,
      {
        hint: 'Check that this runs on Azure and has a managed identity; with HTTP_PROXY set, NO_PROXY must name 169.254.169.254.',
        cause: error,
      },
    );
  }
  const host = authorityHost ?? process.env['AZURE_AUTHORITY_HOST'] ?? PUBLIC_AUTHORITY_HOST;
  return new ProxyError(
    SqlState.cannotConnectNow,
    `cannot reach Microsoft Entra at ${host} (${name}): ${reason}`,
    {
      hint:
        "Check this machine's network and HTTPS_PROXY, then try again; where TLS is intercepted, NODE_EXTRA_CA_CERTS " +
        'must name the CA. With an --authority-host of your own, check it and the tenant too.',
      cause: error,
    },
  );
}

function noIdentity({ clientId, objectId, resourceId }: Circumstances): string {
  const id = clientId ?? objectId ?? resourceId;
  return id === undefined
    ? 'this machine has no system-assigned managed identity'
    : `this machine has no managed identity ${id}`;
}

function credentialThrottled(
  name: MemberName,
  { retryAfterMs, reason }: NonNullable<WireReport['throttled']>,
): ThrottledError {
  const who = name === 'managed-identity' ? "this machine's managed identity endpoint" : 'Microsoft Entra';
  const said = withoutNoise(reason).slice(0, MAX_REASON_LENGTH);
  const seconds = Math.ceil(retryAfterMs / 1_000);
  return new ThrottledError(`${who} asks for a pause of ${seconds} s (${name}): ${said}`, retryAfterMs, {
    hint: 'Too many token requests came, from here or from others of the tenant. The proxy asks again by itself when the pause is over.',
    cause: new Error(reason),
  });
}

const MAX_REASON_LENGTH = 400;
/** What Entra, or a machine's identity endpoint, says in its answer: the libraries wrap it, twice at times. */
const ANSWER =
  /(AADSTS\d+: .*?)(?= *(?:Trace ID:|- Correlation ID:|$))| - Description: (.*?)(?= - Correlation ID:|$)/;

/** The message less what is for a support case (trace ids, links) and what could be a token. */
function withoutNoise(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const text = withoutTokens(message).replaceAll(/\s+/g, ' ');
  const answer = ANSWER.exec(text);
  if (answer !== null) {
    return (answer[1] ?? answer[2] ?? '')
      .replace(/ ?(?:Http status message|Headers|Trace ID): .*$/, '')
      .replace(/^A \w+ error occured\. Http status code: (\d+)$/, 'its endpoint answers with HTTP status $1')
      .trim();
  }
  return text
    .replaceAll(
      /To troubleshoot, visit \S+|Status code: \d+ More details:|: See https:\S+ for details,?/g,
      '',
    )
    .replaceAll(/ +/g, ' ')
    .replaceAll(/^\w*Error: /g, '')
    .trim();
}

const TIMEOUT_HINTS: Readonly<Record<string, string>> = {
  'token-command': 'The command did not end in time, and was stopped with all that it had started.',
  'token-file': 'The file system that --token-file is on does not answer.',
  interactive: 'Nobody signed in with the browser in time. Connect again for another try.',
  'device-code': 'Nobody entered the code in time. Connect again for another one.',
};

/** What is to be said of a source that did not answer in time. */
export function fetchTimedOut(credential: string, timeoutMs: number): ProxyError {
  return new ProxyError(
    SqlState.cannotConnectNow,
    `the credential "${credential}" gave no token within ${timeoutMs / 1000} s`,
    {
      hint:
        TIMEOUT_HINTS[credential] ??
        'Microsoft Entra (or the local identity endpoint) does not answer. Check the network, then try again.',
    },
  );
}

/** What is to be said of a source whose token is of no use any more. */
export function expiredOnArrival(credential: string): ProxyError {
  return new ProxyError(
    SqlState.cannotConnectNow,
    `the credential "${credential}" gave a token that has already expired`,
    {
      hint: "Check this machine's clock; with --token-file or --token-command, check what writes the token.",
    },
  );
}

/** The endpoint was reached, and asks for a pause: 57P03. */
export class ThrottledError extends ProxyError {
  /** How long the pause is, in milliseconds from when it was asked for. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, options: { hint: string; cause?: unknown }) {
    super(SqlState.cannotConnectNow, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}
