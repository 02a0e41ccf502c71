import type { Claims } from './claims.ts';

/** The application that stands for Azure Database for PostgreSQL in Entra. */
const POSTGRES_APPLICATION_ID = '123cd850-d9df-40bd-94d5-c9f07b7fa203';

const POSTGRES_RESOURCE = /^https:\/\/ossrdbms-aad\.database\./;

/**
 * A warning for a token that was made for something else than the server expects; the server decides.
 *
 * @param scope - what a token for the server is asked for with: a resource and `/.default`.
 * @returns undefined if the audience fits, or is not known.
 */
export function audienceWarning(claims: Claims | undefined, scope: string): string | undefined {
  const audience = claims?.aud?.replace(/\/$/, '');
  if (audience === undefined) return undefined;
  const resource = scope.replace(/\/\.default$/, '').replace(/\/$/, '');
  const fits =
    audience === resource ||
    (POSTGRES_RESOURCE.test(resource) && audience === POSTGRES_APPLICATION_ID) ||
    // An application's own scope (api://ID) gives its bare id for an audience.
    resource.endsWith(`/${audience}`);
  if (fits) return undefined;
  return `the token is for "${audience}", but the server expects one for "${resource}": check --cloud and --scope`;
}
