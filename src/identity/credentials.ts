import type { TokenCredential } from '@azure/identity';
import { ProxyError } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { credentialFailure } from './credential-failures.ts';
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

export type EntraCredentialName = (typeof ENTRA_CREDENTIALS)[number];

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
      throw credentialFailure(this.name, error, this.#settings);
    }
  }
}

async function loadCredential(
  name: EntraCredentialName,
  settings: CredentialSettings,
): Promise<TokenCredential> {
  const [identity, { AzureLogger }] = await Promise.all([import('@azure/identity'), import('@azure/logger')]);
  // AZURE_LOG_LEVEL=verbose prints what endpoints answer, secrets included where they quote them.
  AzureLogger.log = (...parts) =>
    void process.stderr.write(`${withoutTokens(parts.map(String).join(' '))}\n`);
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
