import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ProxyError, SqlState } from '../errors.ts';
import { type AuthenticationRequest, encodeSaslRequest } from '../protocol/authentication.ts';
import { type ErrorFields, withHint } from '../protocol/error-response.ts';
import { MAX_AUTHENTICATION_ANSWERS } from '../protocol/limits.ts';
import { dialUpstream } from '../upstream/dial.ts';
import { readAnswer } from './client-answer.ts';
import type { Login } from './identity-login.ts';
import type { Place } from './login-gate.ts';
import { type LoginMessage, LoginMessages, serverViolation } from './login-messages.ts';
import { queueForLogin } from './login-queue.ts';
import { type LoginTrace, traceLogin } from './login-trace.ts';
import { type Attempt, logInWithPatience } from './patience.ts';
import { encodePlan } from './policy.ts';
import { isPrivate, PRIVACY_HINT } from './privacy.ts';
import { ServerRejection } from './server-login.ts';

/**
 * Lets a client log in as itself, with its own PostgreSQL password: what the server asks goes to the
 * client, its answers go to the server, and the server decides. No token is fetched for it.
 *
 * It gives up its place behind the gate when the server asks for the password: handshake and process are
 * paid for by then, and a human may be about to type. A server that is away is waited for, as long as it
 * has said nothing that the client has heard.
 *
 * @returns the connection, once the client knows that it is in.
 * @throws {@link ServerRejection} with the server's ErrorResponse; {@link ProxyError} 28000 if it wants what
 *   cannot be passed through, 08P01 if either speaks no sense, 08006 if the server leaves; PeerClosedError
 *   if the client does; the signal's reason.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export function passThrough(login: Login): Promise<TLSSocket> {
  return traceLogin(login, (trace) =>
    queueForLogin(login, (place) => {
      login.story.queued(place.waitedMs);
      trace.queued(place.waitedMs);
      return logInWithPatience(login, place, (attempt) => passThroughOnce(attempt, place, login, trace));
    }),
  );
}

async function passThroughOnce(
  attempt: Attempt,
  place: Place,
  login: Login,
  trace: LoginTrace,
): Promise<TLSSocket> {
  const { plan, deps, story, signal } = login;
  const startup = encodePlan(plan, plan.clientUser);
  story.actsAs(plan.clientUser);
  const { socket, times } = await trace.dial(dialUpstream(deps.upstream, signal, attempt.limits));
  story.dialled(socket, times);
  try {
    socket.write(startup);
    const dialogue = relayDialogue(socket, attempt, place, login);
    await story.timed('authentication', trace.phase('authentication', dialogue));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Relays until AuthenticationOk has gone to the client. What follows it is still unread in both sockets. */
async function relayDialogue(
  server: Socket,
  attempt: Attempt,
  place: Place,
  { client, reader, plan, signal }: Login,
): Promise<void> {
  const messages = new LoginMessages(server, signal);
  let answers = 0;
  let answer: Promise<Buffer> | undefined;
  try {
    let message = messages.next();
    for (;;) {
      // While the client takes its time the server may lose patience, or be lost.
      const event = await (answer === undefined ? message : Promise.race([message, answer]));
      if (Buffer.isBuffer(event)) {
        server.write(event);
        answer = undefined;
        continue;
      }
      const request = event.kind === 'authentication' ? event.request.kind : undefined;
      if (request !== undefined && answer !== undefined)
        throw serverViolation('the server does not wait for an answer');
      const told = forClient(event, plan.clientUser, isPrivate(client));
      attempt.isTold = true;
      client.write(told);
      if (request === 'ok') {
        if (place.notice.length > 0) client.write(place.notice);
        return;
      }
      if (request !== undefined && WANT_ANSWER.has(request)) {
        place.leave();
        answers += 1;
        if (answers > MAX_AUTHENTICATION_ANSWERS) throw serverViolation('the server does not stop asking');
        answer = readAnswer(reader, signal);
      }
      message = messages.next();
    }
  } finally {
    messages.detach();
  }
}

const WANT_ANSWER: ReadonlySet<AuthenticationRequest['kind']> = new Set([
  'cleartextPassword',
  'md5Password',
  'sasl',
  'saslContinue',
]);

/** What the client gets to see of a server's message; throws what it gets to see instead. */
function forClient(message: LoginMessage, user: string, isPrivateClient: boolean): Buffer {
  if (message.kind === 'error') throw rejection(message.bytes, message.fields);
  if (message.kind === 'notice') return message.bytes;
  const { request } = message;
  if (request.kind === 'other') throw cannotPassThrough(user, request.method);
  if (request.kind === 'cleartextPassword' && !isPrivateClient)
    throw new ProxyError(
      SqlState.invalidAuthorization,
      `the server asks user "${user}" for a password, which would travel in the clear`,
      { hint: PRIVACY_HINT },
    );
  if (request.kind !== 'sasl') return message.bytes;
  // Channel binding would bind to TLS that the client has no part in: libpq gives up where it is offered
  // without TLS. And of what is no password at all (OAUTHBEARER) the proxy has promised nothing.
  const mechanisms = request.mechanisms.filter(
    (name) => name.startsWith('SCRAM-') && !name.endsWith('-PLUS'),
  );
  if (mechanisms.length === 0) throw cannotPassThrough(user, request.mechanisms.join(', ') || 'SASL');
  return encodeSaslRequest(mechanisms);
}

/** What a server over TLS says to a client that could do channel binding and was not offered any. */
const TAKEN_FOR_DOWNGRADE = /SCRAM channel binding negotiation error/;

const NO_CHANNEL_BINDING =
  'The client says that it could do channel binding, which cannot go through a proxy, and the server takes that ' +
  'for an attack. Turn it off in the client (channel_binding=disable; node-postgres: enableChannelBinding); ' +
  'where that does not help (Npgsql), let the proxy log in as an identity for this user.';

/** The server's refusal in its own words: it was the client's own password. */
function rejection(bytes: Buffer, fields: ErrorFields): ServerRejection {
  const isKnown = fields.hint === undefined && TAKEN_FOR_DOWNGRADE.test(fields.message);
  if (!isKnown) return new ServerRejection(NOTHING, bytes, fields);
  const hint = NO_CHANNEL_BINDING;
  return new ServerRejection(NOTHING, withHint(bytes, hint), { ...fields, hint });
}

/** What the server said before has gone to the client already. */
const NOTHING = Buffer.alloc(0);

function cannotPassThrough(user: string, method: string): ProxyError {
  return new ProxyError(
    SqlState.invalidAuthorization,
    `the server wants ${method} authentication for user "${user}", which cannot be passed through`,
    {
      hint:
        'Only passwords can: have the server check SCRAM-SHA-256 without channel binding (scram-sha-256 in ' +
        'pg_hba.conf), md5 or password for this user, or let the proxy log in as an identity for it.',
    },
  );
}
