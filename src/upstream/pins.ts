import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** Names a public key: the SHA-256 of its SubjectPublicKeyInfo (DER), 32 bytes in base64. */
const PIN = /^sha256\/[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** How many certificates of a chain are named in an error; Azure's have three or four. */
const MAX_TOLD = 6;

/** How much of a certificate's name is told: it is a stranger's text. */
const MAX_NAME_LENGTH = 64;

/** Public keys of which one must be the server's own, or have vouched for it. */
export interface Pins {
  /** Each as `sha256/BASE64`. */
  readonly accepted: ReadonlySet<string>;
  /** The certificates that `--ca` stands for: servers send their chain without its root. */
  readonly roots: readonly X509Certificate[];
}

/** The server's certificate was verified, and none of the pinned keys has to do with it. */
export class PinMismatchError extends Error {
  override readonly name = 'PinMismatchError';
  /** Name and pin of each certificate that would have been right, the server's own first. */
  readonly chain: readonly string[];

  constructor(chain: readonly string[]) {
    super('no certificate of the chain has a pinned key');
    this.chain = chain;
  }
}

/** @param pins - {@link isPin}; none of them: any key will do. */
export function createPins(pins: readonly string[], rootPems: readonly string[]): Pins | undefined {
  if (pins.length === 0) return undefined;
  return { accepted: new Set(pins), roots: rootPems.map((pem) => new X509Certificate(pem)) };
}

/** Whether a text is `sha256/` and the base64 of 32 bytes. */
export function isPin(text: string): boolean {
  return PIN.test(text);
}

/** The pin of a certificate's key. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(key).digest('base64')}`;
}

/**
 * Looks whether a pinned key is in the chain of a server whose certificate has been verified already.
 *
 * @throws {@link PinMismatchError} if it is not.
 */
export function verifyPins(socket: TLSSocket, pins: Pins | undefined): void {
  if (pins === undefined) return;
  const own = socket.getPeerX509Certificate();
  const chain = own === undefined ? [] : findVouchers(own, [...sentBehind(own), ...pins.roots]);
  if (chain.some((certificate) => pins.accepted.has(pinOf(certificate)))) return;
  const told = new Set(chain.map((certificate) => `${nameOf(certificate)} (${pinOf(certificate)})`));
  throw new PinMismatchError([...told].slice(0, MAX_TOLD));
}

/**
 * A certificate, and all that vouch for it. What a server sends need not be its chain: anybody can put a
 * pinned key, which is public, into a certificate and send that too. So each must really have signed one
 * that is in already, as an authority, and be valid now.
 *
 * @param others - where they may be, in any order.
 * @param now - milliseconds since 1970.
 */
export function findVouchers(
  own: X509Certificate,
  others: readonly X509Certificate[],
  now = Date.now(),
): X509Certificate[] {
  const found = [own];
  // Grows as it goes: whoever vouches for a voucher is in, too.
  for (const certificate of found) {
    const known = new Set(found.map(({ fingerprint256 }) => fingerprint256));
    const isNew = ({ fingerprint256 }: X509Certificate): boolean => !known.has(fingerprint256);
    const signers = others.filter((other) => isNew(other) && vouches(other, certificate, now));
    found.push(...new Map(signers.map((signer) => [signer.fingerprint256, signer])).values());
  }
  return found;
}

function vouches(issuer: X509Certificate, certificate: X509Certificate, now: number): boolean {
  if (!issuer.ca || !certificate.checkIssued(issuer)) return false;
  const isValid = issuer.validFromDate.getTime() <= now && now <= issuer.validToDate.getTime();
  return isValid && certificate.verify(issuer.publicKey);
}

/** The rest of what the server sent, in its order; Node.js links each to the next, whatever they are. */
function sentBehind({ issuerCertificate: next }: X509Certificate): X509Certificate[] {
  return next === undefined ? [] : [next, ...sentBehind(next)];
}

function nameOf({ subject }: X509Certificate): string {
  const lines = (subject ?? '').split('\n');
  const name = lines.find((line) => line.startsWith('CN='))?.slice('CN='.length) ?? lines.join(', ');
  return name.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_NAME_LENGTH);
}
