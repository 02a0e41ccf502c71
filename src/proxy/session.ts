import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError, SqlState, toProxyError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { encodeFatal } from '../protocol/error-response.ts';
import type { CancelRequest } from '../protocol/startup.ts';
import { SocketReader } from '../socket-reader.ts';
import type { Upstream } from '../upstream/dial.ts';
import { type CancelKeys, forwardCancel } from './cancel.ts';
import { ForeignProtocolError, readClientRequest } from './client-login.ts';
import { logInAs } from './identity-login.ts';
import { closeGently } from './linger.ts';
import { passThrough } from './pass-through.ts';
import { type Policy, planLogin } from './policy.ts';
import { type LiveSession, type SessionRegistry, shuttingDown } from './registry.ts';
import { Relay } from './relay.ts';
import { ServerRejection } from './server-login.ts';
import { SessionStory } from './session-story.ts';

/** What every session of a proxy shares. */
export interface SessionDeps {
  readonly upstream: Upstream;
  readonly policy: Policy;
  readonly registry: SessionRegistry;
  /** A number that names one connection in the log. */
  readonly nextSessionId: () => number;
  readonly cancelKeys: CancelKeys;
  readonly loginTimeoutMs: number;
  readonly log: Logger;
}

/** One client connection, first byte to last. Always leaves both sockets closed; never rejects. */
export async function runSession(client: Socket, deps: SessionDeps): Promise<void> {
  const story = new SessionStory(deps.nextSessionId(), client);
  const login = new AbortController();
  const deadline = setTimeout(() => login.abort(loginTimedOut(deps.loginTimeoutMs)), deps.loginTimeoutMs);
  const session: OpenSession = {
    drain: () => (session.relay === undefined ? login.abort(shuttingDown()) : session.relay.drain()),
    stop: () => (session.relay === undefined ? login.abort(shuttingDown()) : session.relay.stop()),
    loggedIn: () => clearTimeout(deadline),
  };
  const reader = new SocketReader(client, 'client');
  // From here on there is always one, whoever else listens: an 'error' without a listener ends the process.
  client.on('error', () => {}).once('close', () => login.abort(new PeerClosedError('client')));
  let lastWords: Buffer | undefined;
  try {
    deps.registry.addConnection(session);
    await serve(client, reader, session, deps, story, login.signal);
  } catch (error) {
    story.failed(error);
    lastWords = responseFor(error);
  }
  clearTimeout(deadline);
  // What is left is to see the client off, which an old driver can draw out: that takes nobody's place.
  deps.registry.endSession(session);
  story.tell(deps.log);
  await closeGently(client, lastWords);
  deps.registry.remove(session);
}

/** A session as its own steps know it: more than the registry does. */
interface OpenSession extends LiveSession {
  relay?: Relay;
  loggedIn(): void;
}

async function serve(
  client: Socket,
  reader: SocketReader,
  session: OpenSession,
  deps: SessionDeps,
  story: SessionStory,
  signal: AbortSignal,
): Promise<void> {
  const request = await readClientRequest(client, reader, signal);
  if (request.kind === 'cancelRequest') return cancel(request, deps, story);
  deps.registry.addSession(session);
  const plan = planLogin(request, deps.policy);
  story.planned(plan);
  if (plan.login === deps.policy.login) story.ignoredUser(deps.log);
  const login = { client, reader, plan, deps, story, signal };
  const server =
    plan.login.kind === 'identity' ? await logInAs(plan.login.identity, login) : await passThrough(login);
  reader.detach();
  session.loggedIn();
  await relay(client, server, session, deps, story);
}

/** A failed cancellation is for the log alone: clients expect a bare close, as from the server itself. */
async function cancel(request: CancelRequest, deps: SessionDeps, story: SessionStory): Promise<void> {
  story.isCancel();
  try {
    // Not bound to this client's presence: it may hang up as soon as it has asked.
    await forwardCancel(request, deps.upstream, deps.cancelKeys, AbortSignal.timeout(deps.loginTimeoutMs));
  } catch (error) {
    story.failed(error);
  }
}

async function relay(
  client: Socket,
  server: TLSSocket,
  session: OpenSession,
  deps: SessionDeps,
  story: SessionStory,
): Promise<void> {
  const address = { address: server.remoteAddress ?? deps.upstream.address, port: deps.upstream.port };
  const keys: Buffer[] = [];
  const relaying = new Relay(client, server, (key) => {
    keys.push(key);
    deps.cancelKeys.remember(key, address);
  });
  session.relay = relaying;
  if (deps.registry.draining) relaying.drain();
  try {
    story.ended(await relaying.run());
  } finally {
    for (const key of keys) deps.cancelKeys.forget(key);
  }
}

/** A client that left is told nothing. */
function responseFor(error: unknown): Buffer | undefined {
  if (error instanceof PeerClosedError && error.peer === 'client') return undefined;
  if (error instanceof ServerRejection || error instanceof ForeignProtocolError) return error.response;
  return encodeFatal(toProxyError(error));
}

function loginTimedOut(timeoutMs: number): ProxyError {
  return new ProxyError(SqlState.loginTimeout, `the login took longer than ${timeoutMs / 1000} s`, {
    hint: 'Either the client was slow to say who it is, or Entra or the server was slow to answer; see --login-timeout.',
  });
}
