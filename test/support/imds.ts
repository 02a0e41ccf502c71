import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { LOOPBACK, listen } from '../../src/demo/loopback.ts';

/** What Azure calls a PostgreSQL server: with no `/.default` behind it, which is for Entra's own endpoint. */
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** Managed identities' tokens live for a day. */
const LIFETIME_S = 86_400;

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
}

export interface IdentityEndpointOptions {
  /** Gives the token for a request. */
  readonly issueToken: () => Promise<string>;
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

interface Dialect {
  readonly path: string;
  readonly apiVersion: string;
  /** Which a request must have: what a page in a browser cannot send. */
  readonly header: readonly [string, string];
  readonly env: (origin: string) => Readonly<Record<string, string>>;
}

async function startEndpoint(options: IdentityEndpointOptions, dialect: Dialect): Promise<IdentityEndpoint> {
  const requests: IdentityRequest[] = [];
  const server = createServer((message, response) => {
    const request = readRequest(message);
    requests.push(request);
    answer(request, response, options, dialect).catch((error: unknown) => {
      send(response, 500, { error: 'server_error', error_description: String(error) });
    });
  });
  const { port, close } = await listen(server);
  return { env: dialect.env(`http://${LOOPBACK}:${port}`), requests, [Symbol.asyncDispose]: close };
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
  send(response, 200, {
    access_token: await options.issueToken(),
    expires_on: String(Math.floor(Date.now() / 1000) + LIFETIME_S),
    resource: RESOURCE,
    token_type: 'Bearer',
  });
}

function problemWith(
  { path, query, headers }: IdentityRequest,
  { clientIds = [] }: IdentityEndpointOptions,
  dialect: Dialect,
): string | undefined {
  const [header, value] = dialect.header;
  if (path !== dialect.path || query['api-version'] !== dialect.apiVersion) return 'No such endpoint';
  if (headers[header] !== value) return `Required ${header} header not specified`;
  if (query['resource'] !== RESOURCE) return `AADSTS500011: no resource ${query['resource']}`;
  const clientId = query['client_id'];
  return clientId === undefined || clientIds.includes(clientId) ? undefined : 'Identity not found';
}

function send(response: ServerResponse, status: number, body: Readonly<Record<string, string>>): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
