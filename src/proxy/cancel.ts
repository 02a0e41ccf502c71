import { type CancelRequest, encodeCancelRequest } from '../protocol/startup.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { closeGently } from './linger.ts';

/** Passes a CancelRequest on if its session runs in another process. */
export interface CancelElsewhere {
  /** @returns false if no process is known to run it. */
  forward(key: Buffer, signal: AbortSignal): Promise<boolean>;
}

/** Which server each running session's BackendKeyData came from. */
export class CancelKeys {
  /** Where sessions run that are not known here; undefined: nowhere. */
  readonly elsewhere: CancelElsewhere | undefined;
  readonly #upstreams = new Map<string, Upstream>();

  constructor(elsewhere?: CancelElsewhere) {
    this.elsewhere = elsewhere;
  }

  /**
   * @param key - process ID and secret key, as BackendKeyData has them.
   * @param upstream - where the session lives: the address itself, since a name may stand for another server
   *   by the time it is cancelled.
   */
  remember(key: Buffer, upstream: Upstream): void {
    this.#upstreams.set(key.toString('latin1'), upstream);
  }

  forget(key: Buffer): void {
    this.#upstreams.delete(key.toString('latin1'));
  }

  upstreamOf(key: Buffer): Upstream | undefined {
    return this.#upstreams.get(key.toString('latin1'));
  }
}

/**
 * Passes a CancelRequest on over a connection of its own, as verified as any other, and waits for the
 * server to close it: that is all the answer there ever is. Not bound to the client, who may be gone.
 *
 * @throws ProxyError 08001 if the server cannot be reached.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function forwardCancel(
  request: CancelRequest,
  upstream: Upstream,
  keys: CancelKeys,
  signal: AbortSignal,
): Promise<void> {
  const known = keys.upstreamOf(request.key);
  if (known === undefined && (await keys.elsewhere?.forward(request.key, signal)) === true) return;
  await sendCancel(request.key, known ?? upstream, signal);
}

/**
 * Sends a CancelRequest to a server, and waits until that closes the connection.
 *
 * @throws ProxyError 08001 if the server cannot be reached.
 */
export async function sendCancel(key: Buffer, upstream: Upstream, signal: AbortSignal): Promise<void> {
  const { socket } = await dialUpstream(upstream, signal);
  await closeGently(socket, encodeCancelRequest(key));
}
