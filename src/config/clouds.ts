/** What differs between Azure's clouds. */
export interface Cloud {
  /** Completes a server's short name. */
  readonly hostSuffix: string;
  /** What a token for Azure Database for PostgreSQL is asked for with. */
  readonly scope: string;
}

export const PUBLIC_CLOUD: Cloud = {
  hostSuffix: '.postgres.database.azure.com',
  scope: 'https://ossrdbms-aad.database.windows.net/.default',
};
