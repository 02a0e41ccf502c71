import type { HttpClient } from '@azure/core-rest-pipeline';
import type { AccessToken as EntraToken, TokenCredential } from '@azure/identity';
import { ProxyError } from '../errors.ts';
import { withoutTokens } from '../redact.ts';
import { type Claims, decodeClaims } from './claims.ts';
import { credentialFailure, type WireReport } from './credential-failures.ts';
import type { CredentialSettings, EntraCredentialName } from './credentials.ts';
import { readSecretFile } from './secret-file.ts';
import { createHttpClient, watchRequests } from './token-requests.ts';
import { type AccessToken, createAccessToken, type TokenSource } from './token-source.ts';

type MemberName = Exclude<EntraCredentialName, 'default'>;

/** `az`, managed identities and the like need seconds at worst. */
export const FETCH_TIMEOUT_MS = 30_000;

/** Those that no person has to answer for: a new object for each fetch is no loss. */
const STATELESS: ReadonlySet<MemberName> = new Set([
  'managed-identity',
  'workload-identity',
  'environment',
  'client-secret',
  'client-certificate',
]);

/** One more try rides over a connection that broke; anything longer is the token cache's to try. */
const MAX_RETRIES = 1;

/** A credential of @azure/identity, which is loaded (200 ms, 25 MB) at the first fetch only. */
export class EntraCredential implements TokenSource {
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
    const token = await this.#getToken(this.#settings.scope, signal);
    return createAccessToken(token.token, `the credential "${this.name}"`, {
      expiresAt: token.expiresOnTimestamp,
      refreshAt: token.refreshAfterTimestamp,
      now: Date.now(),
    });
  }

  async fetchManagementClaims(signal: AbortSignal): Promise<Claims | undefined> {
    return decodeClaims((await this.#getToken(this.#settings.managementScope, signal)).token);
  }

  async #getToken(scope: string, signal: AbortSignal): Promise<EntraToken> {
    const report: WireReport = {};
    try {
      return await watchRequests({ signal, report }, () => this.#askLibrary(scope, signal));
    } catch (error) {
      if (error instanceof ProxyError) throw error;
      throw credentialFailure(this.name, error, { ...this.#settings, ...report });
    }
  }

  async #askLibrary(scope: string, signal: AbortSignal): Promise<EntraToken> {
    // Each such object answers from a cache of its own until five minutes before the token's end, sends
    // nothing for a minute after a 429 or 5xx, and does not see that a secret's file has changed.
    if (STATELESS.has(this.name)) this.#credential = undefined;
    this.#credential ??= await loadCredential(this.name, this.#settings, this.#isGuess, {
      httpClient: await createHttpClient(),
      retryOptions: { maxRetries: MAX_RETRIES },
    });
    const token = await this.#credential.getToken(scope, { abortSignal: signal });
    if (token === null) throw new Error('the credential returned no token');
    return token;
  }
}

interface Transport {
  readonly httpClient: HttpClient;
  readonly retryOptions: { readonly maxRetries: number };
}

async function loadCredential(
  name: MemberName,
  settings: CredentialSettings,
  isGuess: boolean,
  transport: Transport,
): Promise<TokenCredential> {
  const [identity, { AzureLogger }] = await Promise.all([import('@azure/identity'), import('@azure/logger')]);
  // AZURE_LOG_LEVEL=verbose prints what endpoints answer, secrets included where they quote them.
  AzureLogger.log = (...parts) =>
    void process.stderr.write(`${withoutTokens(parts.map(String).join(' '))}\n`);
  const { disableInstanceDiscovery, tellUser } = settings;
  const authority = { disableInstanceDiscovery, ...given({ authorityHost: settings.authorityHost }) };
  const direct = { ...authority, ...transport };
  const tenant = given({ tenantId: settings.tenantId });
  const client = given({ clientId: settings.clientId });
  const tool = { ...tenant, processTimeoutInMs: FETCH_TIMEOUT_MS };
  switch (name) {
    case 'managed-identity':
      return new identity.ManagedIdentityCredential({
        ...(isGuess ? guessedIdentity(settings) : client),
        ...given({ objectId: settings.objectId, resourceId: settings.resourceId }),
        ...transport,
      });
    case 'workload-identity':
      return new identity.WorkloadIdentityCredential({ ...direct, ...tenant, ...client });
    case 'environment':
      return new identity.EnvironmentCredential(direct);
    case 'client-secret':
      return new identity.ClientSecretCredential(
        ...application(settings),
        await readSecret(settings),
        direct,
      );
    case 'client-certificate': {
      const certificate = await readCertificate(settings);
      const certificatePassword = process.env['AZURE_CLIENT_CERTIFICATE_PASSWORD'];
      const options = { certificate, ...given({ certificatePassword }) };
      return new identity.ClientCertificateCredential(...application(settings), options, direct);
    }
    case 'azure-cli':
      return new identity.AzureCliCredential(tool);
    case 'azure-developer-cli':
      return new identity.AzureDeveloperCliCredential(tool);
    case 'azure-powershell':
      return new identity.AzurePowerShellCredential(tool);
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

async function readSecret({ clientSecretFile: path }: CredentialSettings): Promise<string> {
  if (path === undefined) return process.env['AZURE_CLIENT_SECRET'] ?? '';
  const secret = { path, kind: 'client secret file', flag: '--client-secret-file' } as const;
  return (await readSecretFile(secret)).trim();
}

function readCertificate({ clientCertificateFile }: CredentialSettings): Promise<string> {
  const path = clientCertificateFile ?? process.env['AZURE_CLIENT_CERTIFICATE_PATH'] ?? '';
  return readSecretFile({ path, kind: 'client certificate file', flag: '--client-certificate-file' });
}
