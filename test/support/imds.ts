import { mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { LOOPBACK, listen } from '../../src/demo/loopback.ts';

/** What Azure calls a PostgreSQL server: with no `/.default` behind it, which is for Entra's own endpoint. */
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** Managed identities' tokens live for a day. */
const LIFETIME_S = 86_400;

const CLIENT_ID_OF_THE_MACHINE = 'bbbbbbbb-cccc-4ddd-8eee-ffffffffffff';

export interface IdentityRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
}

/** A running stand-in for an endpoint that gives a machine the tokens of its managed identities. */
export interface IdentityEndpoint extends AsyncDisposable {
  /** What a process has in its environment to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** All that were made so far. */
  readonly requests: readonly IdentityRequest[];
  /** A fault to show: sees each request first, and gives true if it has answered it. */
  behave?: ((response: ServerResponse) => boolean) | undefined;
}

export interface IdentityEndpointOptions {
  /** Gives the token for a request, which names what it is for. */
  readonly issueToken: (resource: string) => Promise<string>;
  /** What there are tokens for; if not given, PostgreSQL servers of the public cloud. */
  readonly resources?: readonly string[];
  /** The user-assigned identities of the machine, by client id. */
  readonly clientIds?: readonly string[];
}

/**
 * Starts a stand-in for the Instance Metadata Service of an Azure VM.
 *
 * @see https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
export function startImds(options: IdentityEndpointOptions): Promise<IdentityEndpoint> {
  return startEndpoint(options, {
    path: '/metadata/identity/oauth2/token/',
    apiVersion: '2018-02-01',
    header: ['metadata', 'true'],
    env: (origin) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: origin }),
  });
}

/**
 * Starts a stand-in for the endpoint that App Service gives to each of its instances.
 *
 * @see https://learn.microsoft.com/azure/app-service/overview-managed-identity
 */
export function startAppService(options: IdentityEndpointOptions): Promise<IdentityEndpoint> {
  const secret = 'app-service-identity-header';
  return startEndpoint(options, {
    path: '/msi/token',
    apiVersion: '2019-08-01',
    header: ['x-identity-header', secret],
    env: (origin) => ({ IDENTITY_ENDPOINT: `${origin}/msi/token`, IDENTITY_HEADER: secret }),
  });
}

/** Where the agent of Azure Arc keeps the keys that it asks its callers for. The library takes no other place. */
const ARC_KEYS = '/var/opt/azcmagent/tokens';

/**
 * Starts a stand-in for the agent that Azure Arc puts on machines outside Azure. It wants to see a key
 * that only those can read whom the machine's owner let.
 *
 * @param key - what the file of that name holds.
 * @see https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication
 */
export function startArc(
  options: IdentityEndpointOptions,
  key: { readonly name: string; readonly value: string },
): Promise<IdentityEndpoint> {
  return startEndpoint(options, {
    path: '/metadata/identity/oauth2/token',
    apiVersion: '2020-06-01',
    header: ['metadata', 'true'],
    env: (origin) => ({
      IDENTITY_ENDPOINT: `${origin}/metadata/identity/oauth2/token`,
      IMDS_ENDPOINT: origin,
    }),
    challenge: { realm: join(ARC_KEYS, key.name), authorization: `Basic ${key.value}` },
  });
}

/**
 * Makes the directory of Azure Arc's keys, which is gone afterwards.
 *
 * @returns undefined where this user may not, or an agent's own is there.
 */
export async function createArcKeys(): Promise<TestDirectory | undefined> {
  try {
    const first = await mkdir(ARC_KEYS, { recursive: true });
    if (first === undefined) return undefined;
    return {
      path: ARC_KEYS,
      [Symbol.asyncDispose]: () => rm(first, { recursive: true, force: true }),
    };
  } catch {
    return undefined;
  }
}

interface TestDirectory extends AsyncDisposable {
  readonly path: string;
}

interface Dialect {
  readonly path: string;
  readonly apiVersion: string;
  /** Which a request must have: what a page in a browser cannot send. */
  readonly header: readonly [string, string];
  readonly env: (origin: string) => Readonly<Record<string, string>>;
  /** What a caller is told to fetch a key from, and what it then has to send. */
  readonly challenge?: { readonly realm: string; readonly authorization: string };
}

async function startEndpoint(options: IdentityEndpointOptions, dialect: Dialect): Promise<IdentityEndpoint> {
  const requests: IdentityRequest[] = [];
  const server = createServer((message, response) => {
    const request = readRequest(message);
    requests.push(request);
    if (endpoint.behave?.(response) === true) return;
    answer(request, response, options, dialect).catch((error: unknown) => {
      send(response, 500, { error: 'server_error', error_description: String(error) });
    });
  });
  const { port, close } = await listen(server);
  const endpoint: IdentityEndpoint = {
    env: dialect.env(`http://${LOOPBACK}:${port}`),
    requests,
    [Symbol.asyncDispose]: close,
  };
  return endpoint;
}

function readRequest(message: IncomingMessage): IdentityRequest {
  const url = new URL(message.url ?? '', 'http://localhost');
  return { path: url.pathname, query: Object.fromEntries(url.searchParams), headers: message.headers };
}

async function answer(
  request: IdentityRequest,
  response: ServerResponse,
  options: IdentityEndpointOptions,
  dialect: Dialect,
): Promise<void> {
  const problem = problemWith(request, options, dialect);
  if (problem !== undefined) {
    return send(response, 400, { error: 'invalid_request', error_description: problem });
  }
  if (dialect.challenge !== undefined && request.headers.authorization !== dialect.challenge.authorization) {
    response.setHeader('www-authenticate', `Basic realm=${dialect.challenge.realm}`);
    return send(response, 401, { error: 'unauthorized_client', error_description: 'Missing Basic Auth' });
  }
  send(response, 200, {
    access_token: await options.issueToken(request.query['resource'] ?? ''),
    expires_on: String(Math.floor(Date.now() / 1000) + LIFETIME_S),
    resource: request.query['resource'] ?? '',
    // The library believes Azure Arc only if it says which identity it took.
    client_id: request.query['client_id'] ?? CLIENT_ID_OF_THE_MACHINE,
    token_type: 'Bearer',
  });
}

function problemWith(
  { path, query, headers }: IdentityRequest,
  { clientIds = [], resources = [RESOURCE] }: IdentityEndpointOptions,
  dialect: Dialect,
): string | undefined {
  const [header, value] = dialect.header;
  if (path !== dialect.path || query['api-version'] !== dialect.apiVersion) return 'No such endpoint';
  if (headers[header] !== value) return `Required ${header} header not specified`;
  if (!resources.includes(query['resource'] ?? '')) return `AADSTS500011: no resource ${query['resource']}`;
  const clientId = query['client_id'];
  return clientId === undefined || clientIds.includes(clientId) ? undefined : 'Identity not found';
}

function send(response: ServerResponse, status: number, body: Readonly<Record<string, string>>): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
