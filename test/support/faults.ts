import { rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DemoEntra } from '../../src/demo/entra.ts';

/** What a token endpoint that is out of order does with a request for a token. */
export type Fault = (request: IncomingMessage, response: ServerResponse, entra: DemoEntra) => void;

/** An answer in the form in which Entra says that it is out of order. */
export function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  const description =
    'AADSTS90033: A transient error has occurred. Please try again. Trace ID: 00 Timestamp: 0';
  const body = { error: 'temporarily_unavailable', error_description: description, error_codes: [90_033] };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

/** An answer that is right in its form. */
const EXPIRED = JSON.stringify({ token_type: 'Bearer', expires_in: -60, access_token: 'expired~long~ago' });

/** All but those that leave a request unanswered. */
export const FAULTS = {
  'answers 500': (_request, response) => refuse(response, 500),
  'answers 503': (_request, response) => refuse(response, 503),
  'answers 429 without a time': (_request, response) => refuse(response, 429),
  'answers 503 with a page': (_request, response) => answer(response, 503, '<html>maintenance</html>'),
  'resets every connection': (_request, _response, entra) => entra.reset(),
  'answers with JSON that is cut off': (_request, response) => answer(response, 200, '{"token_type":"Bear'),
  'answers with JSON without a token': (_request, response) =>
    answer(response, 200, '{"token_type":"Bearer"}'),
  'gives a token that has expired': (_request, response) => answer(response, 200, EXPIRED),
} as const satisfies Readonly<Record<string, Fault>>;

/** A fault that can be switched on and off, and what it has met with while on. */
export interface FaultSwitch {
  /** The token requests that met the fault since it was last switched on. */
  readonly met: number;
  on(fault: Fault): void;
  off(): void;
}

/** Faults of the token endpoint alone: what Entra says of itself is always there. */
export function createFaultSwitch(entra: DemoEntra): FaultSwitch {
  let met = 0;
  return {
    get met() {
      return met;
    },
    on(fault) {
      met = 0;
      entra.behave = (request, response) => {
        if (request.method !== 'POST') return 'normal';
        met += 1;
        fault(request, response, entra);
        return 'handled';
      };
    },
    off() {
      entra.behave = undefined;
    },
  };
}

/** No resolver knows it: that is what the top-level domain is for (RFC 6761). */
export const ENTRA_NAME = 'entra.invalid';

/** Takes the name for this machine while a file is there; otherwise the system's own resolver is asked. */
const RESOLVER = `
import dns from 'node:dns';
import { existsSync } from 'node:fs';
const { lookup } = dns;
dns.lookup = (name, options, done) =>
  lookup(name === '${ENTRA_NAME}' && existsSync(process.env.ENTRA_NAME_FILE) ? '127.0.0.1' : name, options, done);
`;

/** Says where {@link ENTRA_NAME} is, to a program with this environment. */
export interface NameService {
  readonly env: Readonly<Record<string, string>>;
  know(): Promise<void>;
  forget(): Promise<void>;
}

export async function createNameService(directory: string): Promise<NameService> {
  const file = join(directory, 'entra-name');
  const resolver = join(directory, 'resolver.mjs');
  await writeFile(resolver, RESOLVER);
  const know = (): Promise<void> => writeFile(file, '');
  await know();
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(resolver).href}`, ENTRA_NAME_FILE: file };
  return { env, know, forget: () => rm(file, { force: true }) };
}
