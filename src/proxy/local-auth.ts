import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError, SqlState } from '../errors.ts';
import type { LocalUser, LocalUsers } from '../local/local-users.ts';
import { acceptProof, challengeClient, scramMechanisms } from '../local/scram-exchange.ts';
import { isPasswordOf } from '../local/scram-verifier.ts';
import { decodePasswordMessage, encodeSaslRequest } from '../protocol/authentication.ts';
import {
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeCleartextPasswordRequest,
  encodeSaslContinue,
  encodeSaslFinal,
} from '../protocol/sasl.ts';
import { printable } from '../redact.ts';
import type { SocketReader } from '../socket-reader.ts';
import { readAnswer } from './client-answer.ts';
import { isPrivate, PRIVACY_HINT } from './privacy.ts';

/** How clients have to prove who they are. */
type LocalAuthMethod = 'password' | 'scram-sha-256';

/** What a server asks of its clients. */
export interface LocalAuth {
  readonly method: LocalAuthMethod;
  readonly users: LocalUsers;
}

export interface LocalAuthentication extends LocalAuth {
  /** Whom the client's StartupMessage names. */
  readonly user: string;
  /** The data of tls-server-end-point, for a client that has come over TLS. */
  readonly channelBinding?: Buffer | undefined;
  readonly failureDelayMs?: number;
}

/** How long somebody who tries passwords has to wait for each answer, in milliseconds. */
const FAILURE_DELAY_MS = 1_000;

/** A message's type and length. */
const HEADER_LENGTH = 5;

/**
 * Lets a client prove that it is who it says, after its StartupMessage. AuthenticationOk is not sent: that is
 * the server's to say.
 *
 * @throws {@link ProxyError} 28P01 for a wrong password and for an unknown user, after a while; 08P01, 0A000 or
 *   28000 if the client does not follow the protocol, or if others could read its password; PeerClosedError if it leaves; the signal's reason.
 * @see https://www.postgresql.org/docs/current/sasl-authentication.html
 */
export async function authenticateClient(
  client: Socket,
  reader: SocketReader,
  options: LocalAuthentication,
  signal: AbortSignal,
): Promise<void> {
  const { method, user, users, channelBinding, failureDelayMs = FAILURE_DELAY_MS } = options;
  const found = users.find(user);
  const ask = async (request: Buffer): Promise<Buffer> => {
    client.write(request);
    return (await readAnswer(reader, signal)).subarray(HEADER_LENGTH);
  };
  if (method === 'password') {
    if (!isPrivate(client)) throw inTheClear();
    if (await givesPassword(ask, found)) return;
  } else {
    const serverFinal = await provesPassword(ask, found, channelBinding);
    if (serverFinal !== undefined) {
      client.write(encodeSaslFinal(serverFinal));
      return;
    }
  }
  // Even if the client leaves meanwhile, or the proxy stops: it has failed, and that must be known.
  await delay(failureDelayMs, undefined, { signal, ref: false }).catch(() => {});
  throw authenticationFailed(user);
}

/** Nobody is asked for a password that others could read. */
function inTheClear(): ProxyError {
  return new ProxyError(SqlState.invalidAuthorization, 'the password would travel in the clear', {
    hint: PRIVACY_HINT,
  });
}

/** Sends a request to the client, and gives the body of its answer. */
type Ask = (request: Buffer) => Promise<Buffer>;

async function givesPassword(ask: Ask, { verifier, isKnown }: LocalUser): Promise<boolean> {
  const password = decodePasswordMessage(await ask(encodeCleartextPasswordRequest()));
  const isRight = await isPasswordOf(verifier, password);
  return isRight && isKnown && password.length > 0;
}

/** @returns what is to be said to a client that knows the password; undefined if it does not. */
async function provesPassword(
  ask: Ask,
  user: LocalUser,
  channelBinding: Buffer | undefined,
): Promise<string | undefined> {
  const request = encodeSaslRequest(scramMechanisms(channelBinding));
  const { mechanism, data } = decodeSaslInitialResponse(await ask(request));
  // A client may wait for an empty challenge before it says its first word.
  const first = data ?? decodeSaslResponse(await ask(encodeSaslContinue('')));
  const challenge = challengeClient(first, { user, mechanism, channelBinding });
  const final = await ask(encodeSaslContinue(challenge.serverFirst));
  return acceptProof(decodeSaslResponse(final), challenge);
}

/** In PostgreSQL's words, which do not say whether there is such a user. */
function authenticationFailed(user: string): ProxyError {
  return new ProxyError(
    SqlState.invalidPassword,
    `password authentication failed for user "${printable(user)}"`,
    {
      hint: 'Check user and password in the client; those that may connect are in the file of --local-users-file.',
    },
  );
}
