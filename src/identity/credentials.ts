import { DefaultChain, type OnChosen } from './default-chain.ts';
import { EntraCredential, FETCH_TIMEOUT_MS } from './entra-credential.ts';
import { TokenCommand } from './token-command.ts';
import { TokenFile } from './token-file.ts';
import type { TokenSource } from './token-source.ts';

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

export const CREDENTIALS = [...ENTRA_CREDENTIALS, 'token-file', 'token-command'] as const;

export type CredentialName = (typeof CREDENTIALS)[number];

export interface CredentialSettings {
  readonly credential: CredentialName;
  readonly scope: string;
  /** What a token for Azure Resource Manager is asked for with. */
  readonly managementScope: string;
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
