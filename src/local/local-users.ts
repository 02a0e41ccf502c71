import { createHmac } from 'node:crypto';
import { DEFAULT_ITERATIONS, SALT_LENGTH, type ScramVerifier } from './scram-verifier.ts';

/** A user as the dialogue with a client needs it, known or not. */
export interface LocalUser {
  readonly isKnown: boolean;
  /** For an unknown user one that no password fits. */
  readonly verifier: ScramVerifier;
}

/**
 * Who may connect, and by which password. It never changes; a file that did makes a new one.
 *
 * Unknown users get a salt too, always the same, or else anybody could find out who is known. That takes
 * a secret which outlives this: one for the whole life of all processes that answer on the same port.
 */
export class LocalUsers {
  readonly #verifiers: ReadonlyMap<string, ScramVerifier>;
  readonly #secret: Buffer;
  readonly #usualIterations: number;

  /** @param secret - at least 32 random bytes. */
  constructor(verifiers: ReadonlyMap<string, ScramVerifier>, secret: Buffer) {
    this.#verifiers = verifiers;
    this.#secret = secret;
    this.#usualIterations = mostFrequent([...verifiers.values()].map(({ iterations }) => iterations));
  }

  get count(): number {
    return this.#verifiers.size;
  }

  /** Names are the same if their bytes are. */
  find(user: string): LocalUser {
    const verifier = this.#verifiers.get(user);
    // Made for known users too, so that it takes as long.
    const mock = this.#mock(user);
    return verifier === undefined ? { isKnown: false, verifier: mock } : { isKnown: true, verifier };
  }

  #mock(user: string): ScramVerifier {
    return {
      iterations: this.#usualIterations,
      salt: saltFor(user, this.#secret),
      storedKey: keyed(this.#secret, `stored key ${user}`),
      serverKey: keyed(this.#secret, `server key ${user}`),
    };
  }
}

/** The salt of a user who has none in the file: the same as long as the secret is. */
export function saltFor(user: string, secret: Buffer): Buffer {
  return keyed(secret, `salt ${user}`).subarray(0, SALT_LENGTH);
}

function keyed(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}

function mostFrequent(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const one of numbers) counts.set(one, (counts.get(one) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  return most?.[0] ?? DEFAULT_ITERATIONS;
}
