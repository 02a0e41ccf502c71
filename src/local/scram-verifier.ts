import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64, SCRAM_KEY_LENGTH } from '../protocol/scram.ts';
import { preparePassword } from './saslprep.ts';

/** What is kept of a password: enough to check a proof of it, not enough to give one. */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** PostgreSQL's own, SCRAM_DEFAULT_ITERATIONS and SCRAM_DEFAULT_SALT_LEN (scram-common.h). */
export const DEFAULT_ITERATIONS = 4_096;
export const SALT_LENGTH = 16;

/** More would take half a minute for each attempt. PostgreSQL itself takes up to 2^31 - 1. */
const MAX_ITERATIONS = 50_000_000;

/** How PostgreSQL stores one, and PgBouncer's userlist.txt with it. */
const VERIFIER = /^SCRAM-SHA-256\$(\d{1,10}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

const hash = promisify(pbkdf2);

/**
 * Reads a verifier as PostgreSQL stores it: `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`, in base64.
 *
 * @returns undefined if it is not that.
 * @see https://www.postgresql.org/docs/current/catalog-pg-authid.html
 */
export function parseScramVerifier(text: string): ScramVerifier | undefined {
  const [, count = '', ...encoded] = VERIFIER.exec(text) ?? [];
  const [salt, storedKey, serverKey] = encoded.map(decodeBase64);
  const iterations = Number(count);
  if (iterations < 1 || iterations > MAX_ITERATIONS || salt === undefined) return undefined;
  if (storedKey?.length !== SCRAM_KEY_LENGTH || serverKey?.length !== SCRAM_KEY_LENGTH) return undefined;
  return { iterations, salt, storedKey, serverKey };
}

/** Makes the verifier of a password, on another thread: it takes about a millisecond. */
export async function deriveVerifier(
  password: Buffer,
  salt: Buffer,
  iterations = DEFAULT_ITERATIONS,
): Promise<ScramVerifier> {
  const salted = await hash(preparePassword(password), salt, iterations, SCRAM_KEY_LENGTH, 'sha256');
  const storedKey = sha256(hmac(salted, 'Client Key'));
  return { iterations, salt, storedKey, serverKey: hmac(salted, 'Server Key') };
}

/** Whether a password is the one that the verifier was made of; always takes as long. */
export async function isPasswordOf(verifier: ScramVerifier, password: Buffer): Promise<boolean> {
  const { storedKey } = await deriveVerifier(password, verifier.salt, verifier.iterations);
  return timingSafeEqual(storedKey, verifier.storedKey);
}

/**
 * Whether a client has proved, by signing this dialogue, that it knows the password.
 *
 * @param authMessage - what both sides sign, in latin1.
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-3
 */
export function isProofOf({ storedKey }: ScramVerifier, authMessage: string, proof: Buffer): boolean {
  const signature = hmac(storedKey, authMessage);
  const clientKey = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] as number)));
  return timingSafeEqual(sha256(clientKey), storedKey);
}

/** The signature by which the server proves that it has the verifier. */
export function signAsServer({ serverKey }: ScramVerifier, authMessage: string): Buffer {
  return hmac(serverKey, authMessage);
}

function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data, 'latin1').digest();
}
