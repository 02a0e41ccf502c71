import { request } from 'node:http';
import { isIP } from 'node:net';

/** An answer is a line of JSON; what is longer is no answer of ours. */
const MAX_BODY_LENGTH = 65_536;

/** Where an admin listener is. */
export interface AdminTarget {
  readonly address: string;
  readonly port: number;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** The listener's address, as a URL has it; one that stands for all addresses is on this machine too. */
export function adminOrigin({ address, port }: AdminTarget): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/**
 * Asks an admin listener; rejects with Node.js's own error if there is no answer.
 *
 * @param signal - when to give up.
 */
export function askAdmin(
  target: AdminTarget,
  method: 'GET' | 'POST',
  path: string,
  signal: AbortSignal,
): Promise<AdminAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<AdminAnswer>();
  // An agent of its own: the common one may have been told to go through an HTTP proxy.
  const asking = request(new URL(path, adminOrigin(target)), { method, signal, agent: false }, (answer) => {
    let body = '';
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      body = (body + text).slice(0, MAX_BODY_LENGTH);
    });
    answer.on('error', reject);
    answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: body.trim() }));
  });
  asking.on('error', reject);
  asking.end();
  return promise;
}
