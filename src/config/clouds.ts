/**
 * What differs between Azure's clouds. The bundled roots cover all of them.
 *
 * @see https://learn.microsoft.com/azure/postgresql/flexible-server/security-entra-concepts
 */
export interface Cloud {
  /** Completes a server's short name. */
  readonly hostSuffix: string;
  /** What a token for Azure Database for PostgreSQL is asked for with. */
  readonly scope: string;
  /** What a token for Azure Resource Manager is asked for with: it names identities that the other may not. */
  readonly managementScope: string;
  /** Entra's address; the public one is @azure/identity's own default, which AZURE_AUTHORITY_HOST changes. */
  readonly authorityHost?: string;
}

export const CLOUDS = {
  public: {
    hostSuffix: '.postgres.database.azure.com',
    scope: 'https://ossrdbms-aad.database.windows.net/.default',
    managementScope: 'https://management.azure.com/.default',
  },
  usgov: {
    hostSuffix: '.postgres.database.usgovcloudapi.net',
    scope: 'https://ossrdbms-aad.database.usgovcloudapi.net/.default',
    managementScope: 'https://management.usgovcloudapi.net/.default',
    authorityHost: 'https://login.microsoftonline.us',
  },
  china: {
    hostSuffix: '.postgres.database.chinacloudapi.cn',
    scope: 'https://ossrdbms-aad.database.chinacloudapi.cn/.default',
    managementScope: 'https://management.chinacloudapi.cn/.default',
    authorityHost: 'https://login.chinacloudapi.cn',
  },
} as const satisfies Record<string, Cloud>;

export type CloudName = keyof typeof CLOUDS;

export const CLOUD_NAMES = Object.keys(CLOUDS) as CloudName[];
