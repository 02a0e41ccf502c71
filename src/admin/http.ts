import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StartError } from '../errors.ts';
import { describeError, type Logger } from '../log.ts';
import { findPortOwner } from '../proxy/port-owner.ts';
import { limitConnections } from './connection-limit.ts';
import type { Observations } from './observations.ts';
import { isCrossSite, isOurHost } from './request-checks.ts';
import { type Answer, createRoutes, type Route } from './routes.ts';
import type { AdminView } from './view.ts';

/** Bytes; what comes here has no use for more. */
const MAX_HEADER_LENGTH = 8_192;
const MAX_BODY_LENGTH = 1_024;

const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

export interface AdminOptions {
  /** `localhost` is 127.0.0.1. */
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly allowQuit: boolean;
  readonly log: Logger;
  /** How long a client may take to send the head of a request, in milliseconds. */
  readonly headersTimeoutMs?: number;
  readonly maxConnections?: number;
}

export interface AdminListener {
  readonly address: string;
  readonly port: number;
  /** Ends everything at once. */
  close(): void;
}

/**
 * Listens for probes, Prometheus, and whoever wants to look or to end the program.
 *
 * @throws {@link StartError} if the port cannot be had.
 */
export async function startAdmin(
  options: AdminOptions,
  view: AdminView,
  observations: Observations,
): Promise<AdminListener> {
  const { headersTimeoutMs = 5_000, maxConnections = 128, log } = options;
  const routes = createRoutes(view, observations, options.allowQuit, log);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_LENGTH,
      headersTimeout: headersTimeoutMs,
      requestTimeout: 2 * headersTimeoutMs,
      connectionsCheckingInterval: headersTimeoutMs / 5,
    },
    (request, response) => void handle(request, response, options.address, routes, log),
  );
  // One that does not read what it asked for.
  server.timeout = 6 * headersTimeoutMs;
  limitConnections(server, maxConnections);
  const { address, port } = await listen(server, options);
  observations.metrics.watchProcess();
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  server.on('error', (error) =>
    log.warn(
      { event: 'admin-error', error: describeError(error) },
      `admin listener: ${describeError(error)}`,
    ),
  );
  return { address, port, close };
}

async function listen(server: Server, { address, port }: AdminOptions): Promise<AddressInfo> {
  try {
    server.listen({ host: address === 'localhost' ? '127.0.0.1' : address, port });
    await once(server, 'listening');
    return server.address() as AddressInfo;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const owner = code === 'EADDRINUSE' ? await findPortOwner(port) : undefined;
    const why = code === 'EADDRINUSE' ? `in use${owner === undefined ? '' : ` by ${owner}`}` : code;
    throw new StartError(
      `cannot have the admin listener on ${address}:${port} (${why}). Check --admin-address, or choose another --admin-port`,
    );
  }
}

/** Never rejects. */
async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
  routes: ReadonlyMap<string, Route>,
  log: Logger,
): Promise<void> {
  request.on('error', () => {});
  response.on('error', () => {});
  try {
    send(request, response, await answer(request, response, address, routes));
  } catch (error) {
    const text = describeError(error);
    log.error({ event: 'admin-error', error: text }, `admin listener: ${text}`);
    send(request, response, {
      status: 500,
      body: { error: "internal error; the cause is in the proxy's log" },
    });
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
  routes: ReadonlyMap<string, Route>,
): Promise<Answer> {
  const { headers, method = '', url = '' } = request;
  if (!isOurHost(headers.host, address)) return refusal(403, 'the Host header is not one of this listener');
  const route = routes.get(url.split('?', 1)[0] ?? '');
  if (route === undefined) return refusal(404, 'there is nothing of this name');
  if (method !== route.method && !(method === 'HEAD' && route.method === 'GET')) {
    response.setHeader('Allow', route.method === 'GET' ? 'GET, HEAD' : 'POST');
    return refusal(405, `this is for ${route.method}`);
  }
  if ((route.method === 'POST' || route.isSameSite) && isCrossSite(headers))
    return refusal(403, 'this came from another site');
  if (hasLongBody(headers)) return refusal(413, 'no body is expected');
  return route.answer();
}

function hasLongBody(headers: IncomingMessage['headers']): boolean {
  if (headers['transfer-encoding'] !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > MAX_BODY_LENGTH;
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } };
}

function send(request: IncomingMessage, response: ServerResponse, answered: Answer): void {
  const { status, type, headers, body, goOn } = answered;
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    ...HEADERS,
    ...headers,
    'Content-Type': type ?? 'application/json; charset=utf-8',
    ...(goOn === undefined ? { 'Content-Length': Buffer.byteLength(text) } : {}),
    // What comes as a body is not waited for.
    ...(request.method === 'GET' || request.method === 'HEAD' ? {} : { Connection: 'close' }),
  });
  if (request.method === 'HEAD') {
    response.end();
  } else if (goOn === undefined) {
    response.end(text);
  } else {
    response.write(text);
    goOn(response);
  }
}
