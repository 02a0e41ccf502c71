import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const DAY_MS = 86_400_000;

/** Whoever has a key, and signs certificates with it if a certificate lets him. */
export interface Signer {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

interface CertificateOptions {
  /** Whether it may sign others; default: it may. */
  readonly isAuthority?: boolean;
  readonly dnsName?: string;
  readonly notAfter?: Date;
}

export async function createSigner(name: string): Promise<Signer> {
  return { name, keys: await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']) };
}

/**
 * A certificate (PEM) that says whose key the subject's is, signed with the issuer's key: the same, for a root.
 * Without key identifiers, so that by all that it says it fits every issuer of the right name.
 *
 * @param issuerName - who is said to be the issuer, where that is a lie.
 */
export async function certify(
  subject: Signer,
  issuer: Signer,
  { isAuthority = true, dnsName, notAfter }: CertificateOptions = {},
  issuerName = issuer.name,
): Promise<string> {
  const extensions: Extension[] = [new BasicConstraintsExtension(isAuthority, undefined, true)];
  if (dnsName !== undefined)
    extensions.push(new SubjectAlternativeNameExtension([{ type: 'dns', value: dnsName }]));
  if (isAuthority) extensions.push(new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true));
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [subject.name] }],
    issuer: [{ CN: [issuerName] }],
    publicKey: subject.keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ECDSA,
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    notAfter: notAfter ?? new Date(Date.now() + DAY_MS),
    extensions,
  });
  return `${certificate.toString('pem')}\n`;
}

/** A signer's private key, PEM, as a TLS server takes it. */
export function keyPemOf({ keys }: Signer): string {
  return KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A root, an intermediate, and a server's certificate. */
export interface Chain {
  readonly root: Signer;
  readonly intermediate: Signer;
  readonly server: Signer;
  readonly rootPem: string;
  readonly intermediatePem: string;
  readonly serverPem: string;
}

export async function createChain(dnsName: string): Promise<Chain> {
  const root = await createSigner('Root');
  const intermediate = await createSigner('Intermediate');
  const server = await createSigner(dnsName);
  return {
    root,
    intermediate,
    server,
    rootPem: await certify(root, root),
    intermediatePem: await certify(intermediate, root),
    serverPem: await certify(server, intermediate, { isAuthority: false, dnsName }),
  };
}
