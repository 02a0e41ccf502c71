import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError, SqlState, toProxyError } from '../errors.ts';
import { requireRoleName } from '../identity/role-name.ts';
import type { TokenCache } from '../identity/token-cache.ts';
import type { AccessToken } from '../identity/token-source.ts';
import type { Logger } from '../log.ts';
import { encodeFatal } from '../protocol/error-response.ts';
import type { CancelRequest } from '../protocol/startup.ts';
import { SocketReader } from '../socket-reader.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { type CancelKeys, forwardCancel } from './cancel.ts';
import { ForeignProtocolError, readClientRequest } from './client-login.ts';
import { closeGently } from './linger.ts';
import { encodePlan, type LoginPlan, type Policy, planLogin } from './policy.ts';
import { type LiveSession, type SessionRegistry, shuttingDown } from './registry.ts';
import { Relay } from './relay.ts';
import { explainRefusal } from './server-hints.ts';
import { logInToServer, ServerRejection } from './server-login.ts';
import { SessionStory } from './session-story.ts';

/** What every session of a proxy shares. */
export interface SessionDeps {
  readonly upstream: Upstream;
  readonly tokens: TokenCache;
  /** The role to log in as; undefined to take it from the token. */
  readonly role: string | undefined;
  readonly policy: Policy;
  readonly registry: SessionRegistry;
  readonly cancelKeys: CancelKeys;
  readonly loginTimeoutMs: number;
  readonly log: Logger;
}

/** A login under way: what its steps need. */
interface Login {
  readonly client: Socket;
  readonly plan: LoginPlan;
  readonly deps: SessionDeps;
  readonly story: SessionStory;
  /** Aborts at the login deadline, when the client leaves, and when the proxy stops. */
  readonly signal: AbortSignal;
}

/** One client connection, first byte to last. Always leaves both sockets closed; never rejects. */
export async function runSession(client: Socket, deps: SessionDeps): Promise<void> {
  const story = new SessionStory(deps.registry.nextId(), client);
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
  const server = await logIn({ client, plan, deps, story, signal });
  reader.detach();
  session.loggedIn();
  await relay(client, server, session, deps, story);
}

/** Token first, dial after; a token that the server calls stale is replaced once, unseen by the client. */
async function logIn(login: Login): Promise<TLSSocket> {
  const { deps, story, signal } = login;
  const token = await story.timed('token', untilAborted(deps.tokens.getToken(), signal));
  try {
    return await logInWith(token, login);
  } catch (error) {
    const fresh = await freshToken(error, token, login);
    if (fresh === undefined) throw error;
    story.retried();
    return await logInWith(fresh, login);
  }
}

async function logInWith(
  token: AccessToken,
  { client, plan, deps, story, signal }: Login,
): Promise<TLSSocket> {
  const role = deps.role ?? requireRoleName(token.claims);
  const startup = encodePlan(plan, role);
  story.actsAs(role);
  const { socket, times } = await dialUpstream(deps.upstream, signal);
  story.dialled(socket, times);
  try {
    const login = logInToServer(socket, { startup, role, token: token.value }, signal);
    client.write(await story.timed('authentication', login));
    return socket;
  } catch (error) {
    socket.destroy();
    throw explainRefusal(error, role, token.claims);
  }
}

/** Azure's answers to a token that was good once. */
const STALE_TOKEN = /access token has expired|error occurred while validating the access token/i;

const INVALID_PASSWORD = '28P01';

/** Another token, if the server's refusal can be a matter of that. A wrong password alone asks nobody for one. */
async function freshToken(
  error: unknown,
  refused: AccessToken,
  { deps, signal }: Login,
): Promise<AccessToken | undefined> {
  if (!(error instanceof ServerRejection)) return undefined;
  const isStale = STALE_TOKEN.test(error.fields.message);
  if (!isStale && error.fields.sqlState !== INVALID_PASSWORD) return undefined;
  try {
    return await untilAborted(deps.tokens.replacementFor(refused, { fetch: isStale }), signal);
  } catch {
    return undefined;
  }
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

function responseFor(error: unknown): Buffer {
  if (error instanceof ServerRejection || error instanceof ForeignProtocolError) return error.response;
  return encodeFatal(toProxyError(error));
}

/** Waits for shared work without binding it to this session. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function loginTimedOut(timeoutMs: number): ProxyError {
  return new ProxyError(SqlState.loginTimeout, `the login took longer than ${timeoutMs / 1000} s`, {
    hint: 'Either the client was slow to say who it is, or Entra or the server was slow to answer; see --login-timeout.',
  });
}
