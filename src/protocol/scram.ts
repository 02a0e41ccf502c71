import { ProxyError, SqlState } from '../errors.ts';

/** Every proof and key of SCRAM-SHA-256 is as long as the hash. */
export const SCRAM_KEY_LENGTH = 32;

/** What a client says about channel binding: RFC 5802, gs2-cbind-flag. */
type ScramBinding =
  /** `n`: it cannot do it. */
  | { readonly kind: 'unsupported' }
  /** `y`: it could, and believes that the server cannot. */
  | { readonly kind: 'notOffered' }
  /** `p=TYPE`: it does it. */
  | { readonly kind: 'used'; readonly type: string };

/** Text is latin1 throughout: what is signed are the bytes as they came, whatever they mean. */
export interface ScramClientFirst {
  readonly binding: ScramBinding;
  /** The gs2-header, which the client's final message has to repeat. */
  readonly header: string;
  /** All that follows the header, as it will be signed. */
  readonly bare: string;
  readonly nonce: string;
}

export interface ScramServerFirst {
  /** The client's nonce with the server's behind it. */
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

export interface ScramClientFinal {
  /** The attribute `c`: gs2-header and channel binding data, still in base64. */
  readonly binding: string;
  readonly nonce: string;
  readonly proof: Buffer;
  /** All that stands before the proof, as it was signed. */
  readonly withoutProof: string;
}

/** `n`, `y` or `p=TYPE`, a comma, an authzid or none, a comma. */
const GS2_HEADER = /^(?:[ny]|p=([A-Za-z0-9.-]+)),(a=[^,]*)?,/;

/** User name, nonce (printable, no comma), extensions. */
const CLIENT_FIRST_BARE = /^n=[^,\0]*,r=([!-+\--~]+)(?:,[A-Za-z]=[^,\0]*)*$/;

/** Channel binding, nonce, extensions; then the proof. */
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-oq-z]=[^,\0]*)*),p=([A-Za-z0-9+/=]+)$/;

/**
 * Decodes a client-first-message: gs2-header, then `n=USER,r=NONCE` and extensions, which nobody reads. Nor
 * does anybody read the user, as in PostgreSQL: it is the one of the StartupMessage.
 *
 * @throws {@link ProxyError} 08P01 if it is not that; 0A000 for an authorization identity or a mandatory extension.
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-7
 */
export function decodeScramClientFirst(message: Buffer): ScramClientFirst {
  const text = message.toString('latin1');
  const [header, type, authzid] = GS2_HEADER.exec(text) ?? [];
  if (header === undefined) throw malformed('no channel binding flag in the first message');
  if (authzid !== undefined) throw unsupported('client uses authorization identity, but it is not supported');
  const bare = text.slice(header.length);
  if (bare.startsWith('m=')) throw unsupported('client requires an unsupported SCRAM extension');
  const nonce = CLIENT_FIRST_BARE.exec(bare)?.[1];
  if (nonce === undefined) throw malformed('no user and nonce in the first message');
  return { binding: bindingOf(header, type), header, bare, nonce };
}

/**
 * Encodes a server-first-message: `r=NONCE,s=SALT,i=ITERATIONS`, the salt in base64.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-7
 */
export function encodeScramServerFirst({ nonce, salt, iterations }: ScramServerFirst): string {
  return `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;
}

/**
 * Decodes a client-final-message: `c=BINDING,r=NONCE`, extensions, `p=PROOF`; binding and proof in base64.
 *
 * @throws {@link ProxyError} 08P01 if it is not that, or the proof is not 32 bytes.
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-7
 */
export function decodeScramClientFinal(message: Buffer): ScramClientFinal {
  const match = CLIENT_FINAL.exec(message.toString('latin1'));
  if (match === null) throw malformed('no channel binding, nonce and proof in the final message');
  const [, withoutProof = '', binding = '', nonce = '', encodedProof = ''] = match;
  const proof = decodeBase64(encodedProof);
  if (proof?.length !== SCRAM_KEY_LENGTH) throw malformed('a proof that is none in the final message');
  return { binding, nonce, proof, withoutProof };
}

/**
 * Encodes a server-final-message: `v=SIGNATURE`, in base64.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-7
 */
export function encodeScramServerFinal(signature: Buffer): string {
  return `v=${signature.toString('base64')}`;
}

/** What base64 stands for, or undefined unless the text is exactly how it would be written. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** What to say to a client whose SCRAM messages are not as RFC 5802 has them. */
export function malformed(what: string): ProxyError {
  return new ProxyError(SqlState.protocolViolation, `malformed SCRAM message: ${what}`, { hint: HINT });
}

const HINT = 'Use a newer client library: this one does not speak SCRAM-SHA-256 as PostgreSQL does.';

function unsupported(what: string): ProxyError {
  return new ProxyError(SqlState.featureNotSupported, what, { hint: HINT });
}

function bindingOf(header: string, type: string | undefined): ScramBinding {
  if (type !== undefined) return { kind: 'used', type };
  return { kind: header.startsWith('y') ? 'notOffered' : 'unsupported' };
}
