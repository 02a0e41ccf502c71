import { AsyncLocalStorage } from 'node:async_hooks';
import type { HttpClient, PipelineResponse } from '@azure/core-rest-pipeline';
import type { WireReport } from './credential-failures.ts';

/** One fetch of a token, as the requests that are made for it know it. */
interface Fetch {
  readonly signal: AbortSignal;
  readonly report: WireReport;
}

// Not bound to a client: MSAL goes on using the first that it got for a managed identity, whatever it gets later.
const current = new AsyncLocalStorage<Fetch>();

/** Does the work of one fetch, whose requests end with it and are told of in its report. */
export function watchRequests<T>(fetch: Fetch, work: () => Promise<T>): Promise<T> {
  return current.run(fetch, work);
}

/**
 * An HTTP client for @azure/identity. Its requests are given up with the fetch that they are for, which
 * MSAL's own would outlive, and the libraries do not get to sit out a Retry-After inside the fetch.
 */
export async function createHttpClient(): Promise<HttpClient> {
  const { createDefaultHttpClient } = await import('@azure/core-rest-pipeline');
  const client = createDefaultHttpClient();
  return {
    async sendRequest(request) {
      const fetch = current.getStore();
      if (fetch === undefined) return client.sendRequest(request);
      const { signal, report } = fetch;
      const own = request.abortSignal as AbortSignal | undefined;
      request.abortSignal = own === undefined ? signal : AbortSignal.any([signal, own]);
      report.status = undefined;
      report.failure = undefined;
      const response = await client.sendRequest(request).catch((error: unknown) => {
        report.failure = error instanceof Error ? error : new Error(String(error));
        throw error;
      });
      report.status = response.status;
      const retryAfterMs = readRetryAfter(response);
      if (retryAfterMs === undefined) return response;
      const reason = readReason(response);
      report.throttled = { retryAfterMs, reason };
      // Not an error that the retry policy knows: it would wait, and try again.
      throw new Error(reason);
    },
  };
}

/** @returns milliseconds; undefined unless the answer is a refusal that names a time. */
function readRetryAfter({ status, headers }: PipelineResponse): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const text = headers.get('retry-after')?.trim() ?? '';
  if (text === '') return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function readReason({ status, bodyAsText }: PipelineResponse): string {
  const fallback = `HTTP status ${status}`;
  try {
    const body = JSON.parse(bodyAsText ?? '') as { error?: unknown; error_description?: unknown } | null;
    const said = body?.error_description ?? body?.error;
    return typeof said === 'string' ? said : fallback;
  } catch {
    return fallback;
  }
}
