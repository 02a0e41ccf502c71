import type { TLSSocket } from 'node:tls';
import { dialUpstream } from '../upstream/dial.ts';
import type { Login, Surroundings } from './identity-login.ts';
import { kindOfLogin } from './known-methods.ts';
import {
  DeadConnectionError,
  logInToServer,
  type ServerLogin,
  UnforeseenRequestError,
} from './server-login.ts';

/** A connection that a login has succeeded on. */
export interface LoggedIn {
  readonly socket: TLSSocket;
  /** What the server said, AuthenticationOk last: for the client. */
  readonly said: Buffer;
}

/**
 * Opens a connection and logs in on it, by the quickest way that there is: over a warm connection if one is
 * there, and with the token in one flight with the startup where the server is known to ask for it. Where either
 * turns out not to hold, by the plain way; nobody gets to know but the log.
 *
 * @throws what {@link dialUpstream} and {@link logInToServer} throw.
 */
export async function openAndLogIn(
  serverLogin: ServerLogin,
  { plan, deps, story, signal }: Login,
  { attempt, trace }: Surroundings,
): Promise<LoggedIn> {
  const { upstream, warm: pool, knownMethods } = deps;
  const kind = kindOfLogin(serverLogin.role, plan);
  let isForeseen = knownMethods.asksForToken(kind);
  let warm = pool?.take();
  for (;;) {
    if (warm !== undefined) story.tookWarm(warm);
    const socket = warm ?? (await dial());
    const wanted = { ...serverLogin, isForeseen, answerWithinMs: warm && pool?.answerWithinMs };
    try {
      const login = logInToServer(socket, wanted, signal);
      const { said, isTokenAsked } = await story.timed(
        'authentication',
        trace.phase('authentication', login),
      );
      if (isTokenAsked) knownMethods.learn(kind);
      return { socket, said };
    } catch (error) {
      socket.destroy();
      if (error instanceof DeadConnectionError) {
        signal.throwIfAborted();
        pool?.clear();
      } else {
        knownMethods.forget(kind);
        if (!(error instanceof UnforeseenRequestError)) throw error;
        isForeseen = false;
      }
      warm = undefined;
      story.startedOver();
    }
  }

  async function dial(): Promise<TLSSocket> {
    const { socket, times } = await trace.dial(dialUpstream(upstream, signal, attempt.limits));
    story.dialled(socket, times);
    return socket;
  }
}
