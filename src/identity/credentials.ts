import { readFile } from 'node:fs/promises';
import type { TokenCredential } from '@azure/identity';
import { ProxyError, SqlState } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { credentialFailure } from './credential-failures.ts';
import { DefaultChain, type OnChosen } from './default-chain.ts';
import { TokenCommand } from './token-command.ts';
import { TokenFile } from './token-file.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

/** The values of `--credential` that come from @azure/identity. */
const ENTRA_CREDENTIALS = [
  'default',
  'managed-identity',
  'workload-identity',
  'environment',
  'client-secret',
  'client-certificate',
  'azure-cli',
  'azure-developer-cli',
  'azure-powershell',
  'interactive',
  'device-code',
] as const;

export type EntraCredentialName = (typeof ENTRA_CREDENTIALS)[number];

type MemberName = Exclude<EntraCredentialName, 'default'>;

export const CREDENTIALS = [...ENTRA_CREDENTIALS, 'token-file', 'token-command'] as const;

export type CredentialName = (typeof CREDENTIALS)[number];

export interface CredentialSettings {
  readonly credential: CredentialName;
  readonly scope: string;
  readonly clientId?: string | undefined;
  readonly tenantId?: string | undefined;
  /** Other names of a user-assigned managed identity; at most one of the three is given. */
  readonly objectId?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly clientSecretFile?: string | undefined;
  readonly clientCertificateFile?: string | undefined;
  readonly authorityHost?: string | undefined;
  readonly disableInstanceDiscovery: boolean;
  readonly tokenFile?: string | undefined;
  readonly tokenCommand?: string | undefined;
  /** Tells the user what only the user can do, such as entering a code. */
  readonly tellUser: (message: string) => void;
  /** Told which credential `default` found. */
  readonly onChosen: OnChosen;
}

/** `az`, managed identities and the like need seconds at worst. */
const FETCH_TIMEOUT_MS = 30_000;

/** Somebody has to find the browser, the password and the second factor. */
const HUMAN_TIMEOUT_MS = 300_000;

/** The longest that one fetch of a token may take. */
export function fetchTimeoutOf(credential: CredentialName): number {
  return credential === 'interactive' || credential === 'device-code' ? HUMAN_TIMEOUT_MS : FETCH_TIMEOUT_MS;
}

export function createTokenSource(settings: CredentialSettings): TokenSource {
  const { credential, tokenFile = '', tokenCommand = '' } = settings;
  if (credential === 'token-file') return new TokenFile(tokenFile);
  if (credential === 'token-command') return new TokenCommand(tokenCommand);
  if (credential === 'default') {
    return new DefaultChain((name) => new EntraCredential(name, settings, true), settings.onChosen);
  }
  return new EntraCredential(credential, settings);
}

/** A credential of @azure/identity, which is loaded (200 ms, 25 MB) at the first fetch only. */
class EntraCredential implements TokenSource {
  readonly name: MemberName;
  readonly #settings: CredentialSettings;
  readonly #isGuess: boolean;
  #credential: TokenCredential | undefined;

  /** @param isGuess - nobody said that this credential is there: find out quickly. */
  constructor(name: MemberName, settings: CredentialSettings, isGuess = false) {
    this.name = name;
    this.#settings = settings;
    this.#isGuess = isGuess;
  }

  async fetchToken(signal: AbortSignal): Promise<AccessToken> {
    try {
      // A secret or certificate in a file may have been replaced since the last time.
      const isFromFile = this.name === 'client-secret' || this.name === 'client-certificate';
      if (isFromFile) this.#credential = undefined;
      this.#credential ??= await loadCredential(this.name, this.#settings, this.#isGuess);
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
  name: MemberName,
  settings: CredentialSettings,
  isGuess: boolean,
): Promise<TokenCredential> {
  const [identity, { AzureLogger }] = await Promise.all([import('@azure/identity'), import('@azure/logger')]);
  // AZURE_LOG_LEVEL=verbose prints what endpoints answer, secrets included where they quote them.
  AzureLogger.log = (...parts) =>
    void process.stderr.write(`${withoutTokens(parts.map(String).join(' '))}\n`);
  const { disableInstanceDiscovery, tellUser } = settings;
  const authority = { disableInstanceDiscovery, ...given({ authorityHost: settings.authorityHost }) };
  const tenant = given({ tenantId: settings.tenantId });
  const client = given({ clientId: settings.clientId });
  const processTimeoutInMs = fetchTimeoutOf(name);
  switch (name) {
    case 'managed-identity':
      return new identity.ManagedIdentityCredential({
        ...(isGuess ? guessedIdentity(settings) : client),
        ...given({ objectId: settings.objectId, resourceId: settings.resourceId }),
      });
    case 'workload-identity':
      return new identity.WorkloadIdentityCredential({ ...authority, ...tenant, ...client });
    case 'environment':
      return new identity.EnvironmentCredential(authority);
    case 'client-secret':
      return new identity.ClientSecretCredential(
        ...application(settings),
        await readSecret(settings),
        authority,
      );
    case 'client-certificate': {
      const certificatePath =
        settings.clientCertificateFile ?? process.env['AZURE_CLIENT_CERTIFICATE_PATH'] ?? '';
      const certificatePassword = process.env['AZURE_CLIENT_CERTIFICATE_PASSWORD'];
      const certificate = { certificatePath, ...given({ certificatePassword }) };
      return new identity.ClientCertificateCredential(...application(settings), certificate, authority);
    }
    case 'azure-cli':
      return new identity.AzureCliCredential({ ...tenant, processTimeoutInMs });
    case 'azure-developer-cli':
      return new identity.AzureDeveloperCliCredential({ ...tenant, processTimeoutInMs });
    case 'azure-powershell':
      return new identity.AzurePowerShellCredential({ ...tenant, processTimeoutInMs });
    case 'interactive':
      return new identity.InteractiveBrowserCredential({ ...authority, ...tenant, ...client });
    case 'device-code':
      return new identity.DeviceCodeCredential({
        ...authority,
        ...tenant,
        ...client,
        userPromptCallback: ({ message }) => tellUser(message),
      });
    default:
      return name satisfies never;
  }
}

/**
 * What DefaultAzureCredential does for its own: one probe of a second before the real request, which
 * would wait for many on a machine that is not Azure's, and the client id from the environment.
 */
function guessedIdentity({ clientId }: CredentialSettings): { clientId?: string; sendProbeRequest: boolean } {
  return { ...given({ clientId: clientId ?? process.env['AZURE_CLIENT_ID'] }), sendProbeRequest: true };
}

/** The options that have a value: @azure/identity takes a key that is there for one that was meant. */
function given<T extends Record<string, string | undefined>>(options: T): { [K in keyof T]?: string } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: string };
}

/** Tenant and client of an application: from the flags, else from the variables that Azure's tools use. */
function application({ tenantId, clientId }: CredentialSettings): [string, string] {
  const { AZURE_TENANT_ID: tenant = '', AZURE_CLIENT_ID: client = '' } = process.env;
  return [tenantId ?? tenant, clientId ?? client];
}

async function readSecret({ clientSecretFile }: CredentialSettings): Promise<string> {
  if (clientSecretFile === undefined) return process.env['AZURE_CLIENT_SECRET'] ?? '';
  try {
    return (await readFile(clientSecretFile, 'utf8')).trim();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ProxyError(
      SqlState.invalidAuthorization,
      `cannot read the client secret file ${clientSecretFile}: ${reason}`,
      {
        hint: 'Check --client-secret-file, and that the user that the proxy runs as may read it.',
        cause: error,
      },
    );
  }
}
