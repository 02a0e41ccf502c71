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
  /endpoints_resolution_error|network_error|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|AADSTS90033|temporarily_unavailable|Status code: 5\d\d|Max retries exceeded|name resolution|timed out/i;

/** Entra answered, and not that it is out of order (90033): then it has been reached. */
const ANSWERED = /AADSTS(?!90033)\d+/;

const PUBLIC_AUTHORITY_HOST = 'https://login.microsoftonline.com';

/** What is to be said of a credential that gave no token: 57P03 where it may work later, else 28000. */
export function credentialFailure(
  name: MemberName,
  error: unknown,
  { authorityHost }: { readonly authorityHost?: string | undefined },
): ProxyError {
  const reason = withoutNoise(error).slice(0, MAX_REASON_LENGTH);
  const text = String(error);
  if (!UNREACHABLE.test(text) || ANSWERED.test(text)) {
    return new ProxyError(
      SqlState.invalidAuthorization,
      `no token from the credential "${name}": ${reason}`,
      {
        hint: HINTS[name],
        cause: error,
      },
    );
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
    return (answer[1] ?? answer[2] ?? '').replace(/ ?(?:Http status message|Headers): .*$/, '').trim();
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
