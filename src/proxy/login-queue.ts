import type { Socket } from 'node:net';
import { PeerClosedError } from '../errors.ts';
import type { LoginGate, Place } from './login-gate.ts';

/** Who wants to log in. */
interface Candidate {
  readonly client: Socket;
  readonly deps: { readonly loginGate: LoginGate };
  readonly signal: AbortSignal;
}

/**
 * Runs a login when the gate lets it in.
 *
 * A client that closes its side while it waits is taken for gone. It could still listen, but what does so
 * is a client that gave up: in a crowd that tries again and again, logins for those who left would be
 * all that gets done. Who is under way already is served all the same.
 *
 * @throws PeerClosedError for such a client; what {@link LoginGate.admit} throws.
 */
export async function queueForLogin<T>(
  { client, deps, signal }: Candidate,
  login: (place: Place) => Promise<T>,
): Promise<T> {
  const wait = watchPresence(client, signal);
  try {
    return await deps.loginGate.admit((place) => {
      wait.end();
      return login(place);
    }, wait.signal);
  } finally {
    wait.end();
  }
}

/** A signal that aborts as another does, and when the client closes its side. */
export function watchPresence(client: Socket, signal: AbortSignal): { signal: AbortSignal; end: () => void } {
  const wait = new AbortController();
  const onAbort = (): void => wait.abort(signal.reason);
  const onEnd = (): void => wait.abort(new PeerClosedError('client'));
  // The end of a stream is told only to who has read all of it, and tries to read more.
  const look = (): void => {
    if (client.readableEnded) onEnd();
    else if (client.readableLength === 0) client.read(0);
  };
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  client.on('readable', look).on('end', onEnd);
  const firstLook = setImmediate(look);
  const end = (): void => {
    clearImmediate(firstLook);
    signal.removeEventListener('abort', onAbort);
    client.off('readable', look).off('end', onEnd);
  };
  return { signal: wait.signal, end };
}
