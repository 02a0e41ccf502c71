import { type CancelRequest, encodeCancelRequest } from '../protocol/startup.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { closeGently } from './linger.ts';

/** The address where a session lives; a name may stand for another server by the time it is cancelled. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

/** Which server each running session's BackendKeyData came from. */
export class CancelKeys {
  readonly #addresses = new Map<string, ServerAddress>();

  /** @param key - process ID and secret key, as BackendKeyData has them. */
  remember(key: Buffer, address: ServerAddress): void {
    this.#addresses.set(key.toString('latin1'), address);
  }

  forget(key: Buffer): void {
    this.#addresses.delete(key.toString('latin1'));
  }

  addressOf(key: Buffer): ServerAddress | undefined {
    return this.#addresses.get(key.toString('latin1'));
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
  const target = { ...upstream, ...keys.addressOf(request.key) };
  const { socket } = await dialUpstream(target, signal);
  await closeGently(socket, encodeCancelRequest(request.key));
}
