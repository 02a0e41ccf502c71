import { type CancelRequest, encodeCancelRequest } from '../protocol/startup.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { closeGently } from './linger.ts';

/** Which server each running session's BackendKeyData came from. */
export class CancelKeys {
  readonly #upstreams = new Map<string, Upstream>();

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
  const { socket } = await dialUpstream(keys.upstreamOf(request.key) ?? upstream, signal);
  await closeGently(socket, encodeCancelRequest(request.key));
}
