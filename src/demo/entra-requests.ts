import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { RESOURCE } from './entra-tokens.ts';

/** The only scope there are tokens for. */
const SCOPE = `${RESOURCE}/.default`;

/** A request with a client assertion has some 2 KB. */
const MAX_BODY_LENGTH = 64 * 1024;

/** Which applications may have tokens: undefined means any. */
export interface Registration {
  readonly clientId?: string;
  readonly clientSecret?: string;
}

/** An answer of the token endpoint other than a token. */
export interface TokenError {
  readonly status: number;
  /** The OAuth 2.0 error code. */
  readonly error: string;
  /** The number behind `AADSTS`. */
  readonly code: number;
  readonly message: string;
}

/** Reads the form in a request's body. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let body = '';
  for await (const text of request.setEncoding('utf8')) {
    body += String(text);
    if (body.length > MAX_BODY_LENGTH) throw new Error('the request is too long');
  }
  return new URLSearchParams(body);
}

/**
 * Says why Entra would refuse a token request, or undefined if it would not. An assertion in
 * place of a secret (certificate, workload identity) is not verified.
 *
 * @param form - the request's body: the client credentials grant.
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
export function refuseTokenRequest(
  form: URLSearchParams,
  registration: Registration,
): TokenError | undefined {
  const { clientId, clientSecret } = registration;
  const grant = form.get('grant_type');
  const scope = form.get('scope')?.split(' ');
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  if (grant !== 'client_credentials') {
    return refusal(
      400,
      'unsupported_grant_type',
      70003,
      `The app requested an unsupported grant type '${grant}'.`,
    );
  }
  if (scope?.includes(SCOPE) !== true) {
    const resource = scope?.[0]?.replace(/\/\.default$/u, '');
    return refusal(
      400,
      'invalid_resource',
      500011,
      `The resource principal named ${resource} was not found.`,
    );
  }
  if (clientId !== undefined && id !== clientId) {
    return refusal(400, 'unauthorized_client', 700016, `Application with identifier '${id}' was not found.`);
  }
  if (secret === null && form.get('client_assertion') === null) {
    return refusal(401, 'invalid_client', 7000216, "'client_assertion' or 'client_secret' is required.");
  }
  if (secret !== null && clientSecret !== undefined && secret !== clientSecret) {
    return refusal(401, 'invalid_client', 7000215, 'Invalid client secret provided.');
  }
  return undefined;
}

/** The refusal of a tenant other than the one of the stand-in. */
export function unknownTenant(tenant: string): TokenError {
  return refusal(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
}

/** The JSON in which Entra wraps an error. */
export function encodeTokenError({ error, code, message }: TokenError): Record<string, unknown> {
  const [traceId, correlationId] = [randomUUID(), randomUUID()];
  const timestamp = new Date().toISOString().replace('T', ' ').replace(/\.\d+/u, '');
  const ids = `Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`;
  return {
    error,
    error_description: `AADSTS${code}: ${message} ${ids}`,
    error_codes: [code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  };
}

function refusal(status: number, error: string, code: number, message: string): TokenError {
  return { status, error, code, message };
}
