import { randomBytes } from 'node:crypto';
import { ProxyError, SqlState } from '../errors.ts';
import {
  decodeScramClientFinal,
  decodeScramClientFirst,
  encodeScramServerFinal,
  encodeScramServerFirst,
  malformed,
  type ScramClientFirst,
} from '../protocol/scram.ts';
import type { LocalUser } from './local-users.ts';
import { isProofOf, signAsServer } from './scram-verifier.ts';

const SCRAM = 'SCRAM-SHA-256';
const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';

const BINDING_TYPE = 'tls-server-end-point';

/** SCRAM_RAW_NONCE_LEN (scram-common.h). */
const NONCE_LENGTH = 18;

export interface ScramOptions {
  readonly user: LocalUser;
  /** What the client chose. */
  readonly mechanism: string;
  /** The data of tls-server-end-point, if SCRAM-SHA-256-PLUS was offered. */
  readonly channelBinding: Buffer | undefined;
  /** The server's part of the nonce; random unless a test knows better. */
  readonly nonce?: string;
}

/** A dialogue half done: what the client has to answer, and what its answer is judged by. */
export interface ScramChallenge {
  readonly serverFirst: string;
  readonly user: LocalUser;
  readonly nonce: string;
  /** The only attribute `c` that is right. */
  readonly binding: string;
  /** The beginning of what both sides sign. */
  readonly signed: string;
}

/** The names of the mechanisms that there are, the better one first. */
export function scramMechanisms(channelBinding: Buffer | undefined): readonly string[] {
  return channelBinding === undefined ? [SCRAM] : [SCRAM_PLUS, SCRAM];
}

/**
 * The server's answer to a client's first message.
 *
 * @throws {@link ProxyError} 08P01 if the message makes no sense, or not with that mechanism; 0A000 for what
 *   PostgreSQL does not support either; 28000 if somebody has taken SCRAM-SHA-256-PLUS off the offer.
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-5
 */
export function challengeClient(message: Buffer, options: ScramOptions): ScramChallenge {
  const { user, mechanism, channelBinding, nonce = randomBytes(NONCE_LENGTH).toString('base64') } = options;
  if (!scramMechanisms(channelBinding).includes(mechanism)) throw invalidMechanism();
  const first = decodeScramClientFirst(message);
  checkBinding(first, mechanism, channelBinding);
  const bindingData = mechanism === SCRAM_PLUS ? channelBinding : undefined;
  const wholeNonce = first.nonce + nonce;
  const serverFirst = encodeScramServerFirst({ ...user.verifier, nonce: wholeNonce });
  return {
    serverFirst,
    user,
    nonce: wholeNonce,
    binding: Buffer.concat([Buffer.from(first.header), bindingData ?? Buffer.alloc(0)]).toString('base64'),
    signed: `${first.bare},${serverFirst}`,
  };
}

/**
 * The server's last word to a client that has proved to know the password.
 *
 * @returns undefined for a wrong proof, and for any proof of an unknown user.
 * @throws {@link ProxyError} 08P01 if the message makes no sense or answers another challenge; 28000 if it is
 *   bound to another TLS connection.
 */
export function acceptProof(message: Buffer, challenge: ScramChallenge): string | undefined {
  const final = decodeScramClientFinal(message);
  if (final.binding !== challenge.binding) throw wrongBinding();
  if (final.nonce !== challenge.nonce) throw malformed('the nonce is not the one that was given');
  const authMessage = `${challenge.signed},${final.withoutProof}`;
  const { verifier, isKnown } = challenge.user;
  const isProved = isProofOf(verifier, authMessage, final.proof);
  return isProved && isKnown ? encodeScramServerFinal(signAsServer(verifier, authMessage)) : undefined;
}

function checkBinding({ binding }: ScramClientFirst, mechanism: string, offered: Buffer | undefined): void {
  if (mechanism === SCRAM_PLUS) {
    if (binding.kind !== 'used') throw malformed(`${SCRAM_PLUS} without channel binding`);
    if (binding.type !== BINDING_TYPE) throw malformed(`channel binding other than ${BINDING_TYPE}`);
    return;
  }
  if (binding.kind === 'used') throw malformed(`${SCRAM} with channel binding`);
  if (binding.kind === 'notOffered' && offered !== undefined) throw downgraded();
}

function invalidMechanism(): ProxyError {
  return new ProxyError(
    SqlState.protocolViolation,
    'client selected an invalid SASL authentication mechanism',
    { hint: `Use a client library that knows ${SCRAM}.` },
  );
}

function downgraded(): ProxyError {
  return new ProxyError(SqlState.invalidAuthorization, 'SCRAM channel binding negotiation error', {
    hint:
      `The client says that it was not offered ${SCRAM_PLUS}, although it was: somebody may be changing what ` +
      'goes over this connection. If the client is known to be at fault, turn channel binding off in it.',
  });
}

function wrongBinding(): ProxyError {
  return new ProxyError(SqlState.invalidAuthorization, 'SCRAM channel binding check failed', {
    hint:
      'The client sees another TLS certificate than the one of --local-tls-cert: something between the two ends ' +
      'TLS, or somebody is on the path.',
  });
}
