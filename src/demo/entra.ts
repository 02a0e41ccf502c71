import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import {
  encodeTokenError,
  type Registration,
  readForm,
  refuseTokenRequest,
  type TokenError,
  unknownTenant,
} from './entra-requests.ts';
import { type Claims, createTokenSigner, type MintedToken, type TokenSigner } from './entra-tokens.ts';
import { LOOPBACK, listen } from './loopback.ts';

export interface EntraOptions extends Registration {
  /** What clients call it; default: 127.0.0.1. */
  readonly hostName?: string;
  /** Where it listens; default: any free port of 127.0.0.1. */
  readonly address?: string;
  readonly port?: number;
  /** A certificate for that. */
  readonly certPem: string;
  readonly keyPem: string;
  readonly tenantId: string;
  /** Of the tokens. */
  readonly lifetimeSeconds: number;
  /** When Entra would like a token to be replaced; default: it does not say. */
  readonly refreshInSeconds?: number;
  /** Claims of every token; they win over the ones made here. */
  readonly claims?: Claims;
  /** Awaited before a token is handed out: makes it valid wherever it shall be valid. */
  readonly onMint?: (token: string, expiresAt: Date) => Promise<void>;
}

/** Sees each request first, and may answer it, or leave it unanswered: then it was `handled`. */
type Behaviour = (request: IncomingMessage, response: ServerResponse) => Handling | Promise<Handling>;
type Handling = 'handled' | 'normal';

/** A running stand-in for the token endpoint of Microsoft Entra. */
export interface DemoEntra extends AsyncDisposable {
  /** What takes the place of `https://login.microsoftonline.com`. */
  readonly authorityHost: string;
  /** How many token requests have come so far. */
  readonly requests: number;
  /** Of the tokens minted from now on. */
  lifetimeSeconds: number;
  /** For tests: a fault to show. */
  behave?: Behaviour | undefined;
  /** Mints a token as a request does. */
  mint(claims?: Claims): Promise<MintedToken>;
  /** Resets every open connection, as a failing network would. */
  reset(): void;
  /** Stops listening and ends every open connection. */
  close(): Promise<void>;
}

/** Starts a stand-in for the Microsoft Entra token endpoint, over HTTPS on 127.0.0.1. */
export async function startEntra(options: EntraOptions): Promise<DemoEntra> {
  const signer = await createTokenSigner(options.tenantId, options.clientId ?? randomUUID());
  let requests = 0;
  const server = createServer({ cert: options.certPem, key: options.keyPem }, (request, response) => {
    if (isTokenRequest(request)) requests += 1;
    answer(request, response, { options, signer, entra }).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      sendError(response, { status: 500, error: 'server_error', code: 90033, message });
    });
  });
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  const { port, close } = await listen(server, options.port, options.address);
  const entra: DemoEntra = {
    authorityHost: `https://${options.hostName ?? LOOPBACK}:${port}`,
    get requests() {
      return requests;
    },
    lifetimeSeconds: options.lifetimeSeconds,
    mint: oneAtATime(async (claims: Claims = {}) => {
      const minted = await signer.sign({ ...options.claims, ...claims }, entra.lifetimeSeconds);
      await options.onMint?.(minted.token, minted.expiresAt);
      return minted;
    }),
    reset() {
      for (const socket of connections) socket.resetAndDestroy();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  return entra;
}

interface Context {
  readonly options: EntraOptions;
  readonly signer: TokenSigner;
  readonly entra: DemoEntra;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { options, signer, entra } = context;
  if ((await entra.behave?.(request, response)) === 'handled') return;
  const [tenant = '', ...rest] = pathOf(request).slice(1).split('/');
  if (tenant !== options.tenantId) return sendError(response, unknownTenant(tenant));
  if (isTokenRequest(request)) return sendToken(request, response, context);
  switch (`${request.method} ${rest.join('/')}`) {
    case 'GET v2.0/.well-known/openid-configuration':
      return send(response, 200, openIdConfiguration(`${entra.authorityHost}/${tenant}`));
    case 'GET discovery/v2.0/keys':
      return send(response, 200, { keys: [signer.publicJwk] });
    default:
      return send(response, 404, { error: 'not_found' });
  }
}

async function sendToken(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
): Promise<void> {
  const refusal = refuseTokenRequest(await readForm(request), context.options);
  if (refusal !== undefined) return sendError(response, refusal);
  const lifetimeSeconds = context.entra.lifetimeSeconds;
  const { token } = await context.entra.mint();
  const { refreshInSeconds } = context.options;
  const refresh = refreshInSeconds === undefined ? {} : { refresh_in: refreshInSeconds };
  const times = { expires_in: lifetimeSeconds, ext_expires_in: lifetimeSeconds, ...refresh };
  return send(response, 200, { token_type: 'Bearer', ...times, access_token: token });
}

/** Two ALTER ROLE of one role at once fail with "tuple concurrently updated"; so one waits for the other. */
function oneAtATime<Argument, Result>(work: (argument?: Argument) => Promise<Result>) {
  let last: Promise<unknown> = Promise.resolve();
  return (argument?: Argument): Promise<Result> => {
    const result = last.then(() => work(argument));
    last = result.catch(() => {});
    return result;
  };
}

function isTokenRequest(request: IncomingMessage): boolean {
  return request.method === 'POST' && pathOf(request).endsWith('/oauth2/v2.0/token');
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/\?.*/u, '');
}

function openIdConfiguration(base: string): Record<string, unknown> {
  return {
    issuer: `${base}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
    response_types_supported: ['code', 'token'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
  };
}

function sendError(response: ServerResponse, error: TokenError): void {
  send(response, error.status, encodeTokenError(error));
}

function send(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
