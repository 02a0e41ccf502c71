import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Identity } from '../identity/identity.ts';
import type { AccessToken } from '../identity/token-source.ts';
import type { SocketReader } from '../socket-reader.ts';
import type { Place } from './login-gate.ts';
import { queueForLogin } from './login-queue.ts';
import { type LoginTrace, traceLogin } from './login-trace.ts';
import { type Attempt, logInWithPatience } from './patience.ts';
import { encodePlan, type LoginPlan } from './policy.ts';
import { openAndLogIn } from './server-connection.ts';
import { explainRefusal } from './server-hints.ts';
import { ServerRejection } from './server-login.ts';
import type { SessionDeps } from './session.ts';
import type { SessionStory } from './session-story.ts';

/** A login under way: what its steps need. */
export interface Login {
  readonly client: Socket;
  readonly reader: SocketReader;
  readonly plan: LoginPlan;
  readonly deps: SessionDeps;
  readonly story: SessionStory;
  /** Aborts at the login deadline, when the client leaves, and when the proxy stops. */
  readonly signal: AbortSignal;
}

/**
 * Logs in as one of the proxy's identities. Token first, then the gate, then the dial; a token that the
 * server calls stale is replaced once, unseen by the client, without giving up the place behind the gate; and
 * a server that is away is waited for.
 *
 * @returns the connection, once the client knows that it is in.
 * @throws {@link ServerRejection}, ProxyError, the signal's reason.
 */
export function logInAs(identity: Identity, login: Login): Promise<TLSSocket> {
  return traceLogin(login, (trace) => logInTraced(identity, login, trace));
}

async function logInTraced(identity: Identity, login: Login, trace: LoginTrace): Promise<TLSSocket> {
  const { story, signal } = login;
  const fetched = trace.phase('token', untilAborted(identity.tokens.getToken(), signal));
  const token = await story.timed('token', fetched);
  return await queueForLogin(login, (place) => {
    story.queued(place.waitedMs);
    trace.queued(place.waitedMs);
    let current = token;
    return logInWithPatience(login, place, async (attempt) => {
      try {
        return await logInWith(current, identity, login, { place, attempt, trace });
      } catch (error) {
        const fresh = current === token ? await freshToken(error, token, identity, signal) : undefined;
        if (fresh === undefined) throw error;
        story.retried();
        current = fresh;
        return await logInWith(fresh, identity, login, { place, attempt, trace });
      }
    });
  });
}

/** What one attempt is part of. */
export interface Surroundings {
  readonly place: Place;
  readonly attempt: Attempt;
  readonly trace: LoginTrace;
}

async function logInWith(
  token: AccessToken,
  identity: Identity,
  login: Login,
  surroundings: Surroundings,
): Promise<TLSSocket> {
  const { client, plan, deps, story, signal } = login;
  const role = await untilAborted(identity.roleFor(token), signal);
  const serverLogin = { startup: encodePlan(plan, role), role, token: token.value };
  story.actsAs(role);
  try {
    const { socket, said } = await openAndLogIn(serverLogin, login, surroundings);
    client.write(Buffer.concat([said, surroundings.place.notice]));
    deps.warm?.refill();
    return socket;
  } catch (error) {
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
  { tokens }: Identity,
  signal: AbortSignal,
): Promise<AccessToken | undefined> {
  if (!(error instanceof ServerRejection)) return undefined;
  const isStale = STALE_TOKEN.test(error.fields.message);
  if (!isStale && error.fields.sqlState !== INVALID_PASSWORD) return undefined;
  try {
    return await untilAborted(tokens.replacementFor(refused, { fetch: isStale }), signal);
  } catch {
    return undefined;
  }
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
