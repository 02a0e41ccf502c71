import type { TokenCredential } from '@azure/identity';
import { ProxyError, SqlState } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { TokenCommand } from './token-command.ts';
import { TokenFile } from './token-file.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

/** The values of `--credential` that come from @azure/identity. */
const ENTRA_CREDENTIALS = [
  'default',
  'managed-identity',
  'workload-identity',
  'environment',
  'azure-cli',
] as const;

type EntraCredentialName = (typeof ENTRA_CREDENTIALS)[number];

export const CREDENTIALS = [...ENTRA_CREDENTIALS, 'token-file', 'token-command'] as const;

export interface CredentialSettings {
  readonly credential: (typeof CREDENTIALS)[number];
  readonly scope: string;
  readonly clientId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly authorityHost?: string | undefined;
  readonly disableInstanceDiscovery: boolean;
  readonly tokenFile?: string | undefined;
  readonly tokenCommand?: string | undefined;
  readonly fetchTimeoutMs: number;
}

export function createTokenSource(settings: CredentialSettings): TokenSource {
  const { credential, tokenFile = '', tokenCommand = '' } = settings;
  if (credential === 'token-file') return new TokenFile(tokenFile);
  if (credential === 'token-command') return new TokenCommand(tokenCommand);
  return new EntraCredential(credential, settings);
}

/** A credential of @azure/identity, which is loaded (200 ms, 25 MB) at the first fetch only. */
class EntraCredential implements TokenSource {
  readonly name: EntraCredentialName;
  readonly #settings: CredentialSettings;
  #credential: TokenCredential | undefined;

  constructor(name: EntraCredentialName, settings: CredentialSettings) {
    this.name = name;
    this.#settings = settings;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    try {
      this.#credential ??= await loadCredential(this.name, this.#settings);
      const token = await this.#credential.getToken(this.#settings.scope, { abortSignal: signal });
      if (token === null) throw new Error('the credential returned no token');
      return createAccessToken(token.token, `the credential "${this.name}"`, {
        expiresAt: token.expiresOnTimestamp,
        refreshAt: token.refreshAfterTimestamp,
        now: Date.now(),
      });
    } catch (error) {
      if (error instanceof ProxyError) throw error;
      throw credentialFailure(this.name, error);
    }
  }
}

async function loadCredential(
  name: EntraCredentialName,
  settings: CredentialSettings,
): Promise<TokenCredential> {
  const identity = await import('@azure/identity');
  const { clientId, tenantId, authorityHost, disableInstanceDiscovery, fetchTimeoutMs } = settings;
  const authority = {
    disableInstanceDiscovery,
    ...(authorityHost === undefined ? {} : { authorityHost }),
  };
  const tenant = tenantId === undefined ? {} : { tenantId };
  const client = clientId === undefined ? {} : { clientId };
  switch (name) {
    case 'default':
      return new identity.DefaultAzureCredential({
        ...authority,
        ...tenant,
        ...(clientId === undefined
          ? {}
          : { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
        processTimeoutInMs: fetchTimeoutMs,
      });
    case 'managed-identity':
      return new identity.ManagedIdentityCredential(client);
    case 'workload-identity':
      return new identity.WorkloadIdentityCredential({ ...authority, ...tenant, ...client });
    case 'environment':
      return new identity.EnvironmentCredential(authority);
    case 'azure-cli':
      return new identity.AzureCliCredential({ ...tenant, processTimeoutInMs: fetchTimeoutMs });
    default:
      return name satisfies never;
  }
}

const HINTS: Readonly<Record<EntraCredentialName, string>> = {
  default: 'Run az login on this machine, or name the one to use with --credential.',
  'managed-identity':
    'Check that this machine has a managed identity, and that --client-id is that of a user-assigned one assigned to it.',
  'workload-identity':
    'Check the pod label azure.workload.identity/use, the service account annotation, and the federated credential.',
  environment:
    'Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH).',
  'azure-cli': 'Run az login as the user that the proxy runs as, and see that az is on its PATH.',
};

/** Traces of a network that failed, which @azure/identity shows in texts only. */
const UNREACHABLE =
  /endpoints_resolution_error|network_error|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|AADSTS90033|temporarily_unavailable|timed out/i;

function credentialFailure(name: EntraCredentialName, error: unknown): ProxyError {
  const reason = reasonOf(error);
  if (name !== 'default' && UNREACHABLE.test(String(error))) {
    return new ProxyError(
      SqlState.cannotConnectNow,
      `cannot reach Microsoft Entra for a token (${name}): ${reason}`,
      {
        hint: "Check this machine's network, proxy settings and --authority-host, then try again.",
        cause: error,
      },
    );
  }
  return new ProxyError(SqlState.invalidAuthorization, `no token from the credential "${name}": ${reason}`, {
    hint: HINTS[name],
    cause: error,
  });
}

const MAX_REASON_LENGTH = 400;
const MAX_PART_LENGTH = 120;

/** What a credential says of its failure; of a chain's, the first sentence of each one that was tried. */
function reasonOf(error: unknown): string {
  const parts = (error as { errors?: unknown }).errors;
  if (!Array.isArray(parts)) return withoutNoise(error).slice(0, MAX_REASON_LENGTH);
  const sentences = parts.map((part) => withoutNoise(part).split(/(?<=[^.])\. /)[0] ?? '');
  return sentences.map((sentence) => sentence.slice(0, MAX_PART_LENGTH)).join('; ');
}

/** The message less what is for a support case (trace ids, links) and what could be a token. */
function withoutNoise(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return withoutTokens(text)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/(?:To troubleshoot, visit|Trace ID:|- Correlation ID:|- Timestamp:|Headers: \{).*$/gi, '')
    .replaceAll(/^\w*Error: /g, '')
    .trim();
}
