import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError, SqlState, toProxyError } from '../errors.ts';
import { tlsServerEndPoint } from '../local/channel-binding.ts';
import type { Logger } from '../log.ts';
import { encodeFatal } from '../protocol/error-response.ts';
import type { CancelRequest } from '../protocol/startup.ts';
import type { Upstream } from '../upstream/dial.ts';
import type { WarmConnections } from '../upstream/warm.ts';
import { type CancelKeys, forwardCancel } from './cancel.ts';
import { ClientConnection } from './client-connection.ts';
import { ForeignProtocolError, readRequest } from './client-login.ts';
import { logInAs } from './identity-login.ts';
import type { KnownMethods } from './known-methods.ts';
import { closeGently } from './linger.ts';
import { authenticateClient, type LocalAuth } from './local-auth.ts';
import type { LocalTls } from './local-tls.ts';
import type { LoginGate } from './login-gate.ts';
import type { LoginTracer } from './login-trace.ts';
import type { SessionObserver } from './observer.ts';
import { passThrough } from './pass-through.ts';
import { type LoginPlan, type Policy, planLogin } from './policy.ts';
import { type LiveSession, type SessionRegistry, shuttingDown } from './registry.ts';
import { Relay } from './relay.ts';
import { ServerRejection } from './server-login.ts';
import type { SessionLimits } from './session-limits.ts';
import { SessionStory } from './session-story.ts';

/** What every session of a proxy shares. */
export interface SessionDeps {
  readonly upstream: Upstream;
  /** Connections to it that are there before they are needed; undefined: none. */
  readonly warm?: WarmConnections | undefined;
  readonly knownMethods: KnownMethods;
  readonly policy: Policy;
  readonly registry: SessionRegistry;
  /** Asked before a connection becomes a session, where others than the registry count too; rejects if there is no place. */
  readonly takePlace?: ((session: LiveSession, signal: AbortSignal) => Promise<void>) | undefined;
  /** A number that names one connection in the log. */
  readonly nextSessionId: () => number;
  readonly cancelKeys: CancelKeys;
  /** What clients that ask for TLS get; undefined: a refusal. */
  readonly localTls?: LocalTls | undefined;
  /** What clients must prove; undefined: nothing. */
  readonly localAuth?: LocalAuth | undefined;
  readonly loginTimeoutMs: number;
  readonly loginGate: LoginGate;
  readonly sessionLimits: SessionLimits;
  /** Hears what becomes of sessions; undefined: nobody does. */
  readonly observer?: SessionObserver | undefined;
  /** Hears how long the parts of each login took; undefined: nobody does. */
  readonly tracer?: LoginTracer | undefined;
  readonly log: Logger;
}

/**
 * One client connection, first byte to last. Always leaves both sockets closed; never rejects.
 *
 * @param admitted - rejects if whoever has connected is not welcome, which is told once it has said what it wants.
 */
export async function runSession(
  socket: Socket,
  deps: SessionDeps,
  admitted: Promise<void> = Promise.resolve(),
): Promise<void> {
  const story = new SessionStory(deps.nextSessionId(), socket, deps.observer);
  const login = new AbortController();
  const deadline = setTimeout(() => login.abort(loginTimedOut(deps.loginTimeoutMs)), deps.loginTimeoutMs);
  const session: OpenSession = {
    drain: () => (session.relay === undefined ? login.abort(shuttingDown()) : session.relay.drain()),
    stop: () => (session.relay === undefined ? login.abort(shuttingDown()) : session.relay.stop()),
    loggedIn: () => clearTimeout(deadline),
    view: () => story.view(session.relay),
  };
  const connection = new ClientConnection(socket, deps.localTls);
  socket.once('close', () => login.abort(new PeerClosedError('client')));
  let lastWords: Buffer | undefined;
  try {
    deps.registry.addConnection(session);
    await serve(connection, admitted, session, deps, story, login.signal);
  } catch (error) {
    story.failed(error);
    lastWords = responseFor(error);
  }
  clearTimeout(deadline);
  // What is left is to see the client off, which an old driver can draw out: that takes nobody's place.
  deps.registry.endSession(session);
  story.cameOver(connection.tls?.version);
  story.tell(deps.log);
  await closeGently(connection.socket, lastWords);
  deps.registry.remove(session);
}

/** A session as its own steps know it: more than the registry does. */
interface OpenSession extends LiveSession {
  relay?: Relay;
  loggedIn(): void;
}

async function serve(
  connection: ClientConnection,
  admitted: Promise<void>,
  session: OpenSession,
  deps: SessionDeps,
  story: SessionStory,
  signal: AbortSignal,
): Promise<void> {
  const request = await readRequest(connection, signal);
  await admitted;
  if (request.kind === 'cancelRequest') return cancel(request, deps, story);
  await deps.takePlace?.(session, signal);
  deps.registry.addSession(session);
  const plan = planLogin(request, deps.policy);
  story.planned(plan);
  if (plan.login === deps.policy.login) story.ignoredUser(deps.log);
  await authenticate(connection, plan, deps, signal);
  const { socket: client, reader } = connection;
  const login = { client, reader, plan, deps, story, signal };
  const server =
    plan.login.kind === 'identity' ? await logInAs(plan.login.identity, login) : await passThrough(login);
  reader.detach();
  session.loggedIn();
  story.loggedIn(plan);
  await relay(client, server, session, deps, story);
}

/** Has the client prove who it is, where that is asked for; whoever is passed through proves it to the server. */
async function authenticate(
  { socket, reader, tls }: ClientConnection,
  { login, clientUser }: LoginPlan,
  { localAuth }: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  if (localAuth === undefined || login.kind === 'passThrough') return;
  const channelBinding = tls?.certificate && tlsServerEndPoint(tls.certificate);
  await authenticateClient(socket, reader, { ...localAuth, user: clientUser, channelBinding }, signal);
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
  const upstream = { ...deps.upstream, address: server.remoteAddress ?? deps.upstream.address };
  const keys: Buffer[] = [];
  const relaying = new Relay(client, server, (key) => {
    keys.push(key);
    deps.cancelKeys.remember(key, upstream);
  });
  session.relay = relaying;
  deps.sessionLimits.watch(relaying);
  if (deps.registry.draining) relaying.drain();
  try {
    story.ended(await relaying.run());
  } finally {
    deps.sessionLimits.forget(relaying);
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
  return new ProxyError(SqlState.sessionTimeout, `the login took longer than ${timeoutMs / 1000} s`, {
    hint: 'Either the client was slow to say who it is, or Entra or the server was slow to answer; see --login-timeout.',
  });
}
