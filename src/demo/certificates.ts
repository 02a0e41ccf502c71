import { KeyObject, webcrypto } from 'node:crypto';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Clocks differ: a certificate valid only from this very second is refused by a slower one. */
const BACKDATE_MS = 5 * MINUTE_MS;
const LEAF_LIFETIME_MS = 30 * DAY_MS;
const AUTHORITY_LIFETIME_MS = 365 * DAY_MS;

const EC_P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** What a server certificate shall say. Names not given are left out of it. */
export interface CertificateRequest {
  /** The subject; default: the first of the names below. Verifiers look at the names, not at this. */
  readonly commonName?: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Default: a few minutes ago, or a few minutes before `notAfter` when that lies in the past. */
  readonly notBefore?: Date;
  /** Default: in 30 days. A past date alone makes an expired certificate. */
  readonly notAfter?: Date;
}

/** A certificate and its private key (PKCS #8), both PEM. */
interface IssuedCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

/** A certificate authority that lives in memory only. */
export interface Authority {
  /** Its own, self-signed certificate: what a client has to trust. */
  readonly certPem: string;
  /** Issues a TLS server certificate for a new P-256 key. */
  issue(request: CertificateRequest): Promise<IssuedCertificate>;
}

/**
 * Makes a certificate authority with a new P-256 key. Nothing is written to disk.
 *
 * @param name - its common name.
 */
export async function createCertificateAuthority(name: string): Promise<Authority> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const subject = [{ CN: [name] }];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys,
    signingAlgorithm: EC_P256,
    notBefore: new Date(Date.now() - BACKDATE_MS),
    notAfter: new Date(Date.now() + AUTHORITY_LIFETIME_MS),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });

  async function issue(request: CertificateRequest): Promise<IssuedCertificate> {
    const names = alternativeNames(request);
    const leafKeys = await generateKeys();
    const leaf = await x509.X509CertificateGenerator.create({
      subject: [{ CN: [request.commonName ?? names[0]?.value ?? 'unnamed'] }],
      issuer: subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: EC_P256,
      ...validity(request),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
        await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const keyPem = KeyObject.from(leafKeys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
    return { certPem: pem(leaf), keyPem };
  }

  return { certPem: pem(certificate), issue };
}

async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // Inside it, tsyringe refuses to load before Reflect has metadata functions.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(EC_P256, true, ['sign', 'verify']);
}

function alternativeNames(request: CertificateRequest): { type: 'dns' | 'ip'; value: string }[] {
  const { dnsNames = [], ipAddresses = [] } = request;
  return [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ];
}

function validity(request: CertificateRequest): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  const notAfter = request.notAfter ?? new Date(now + LEAF_LIFETIME_MS);
  const notBefore = request.notBefore ?? new Date(Math.min(now, notAfter.getTime()) - BACKDATE_MS);
  return { notBefore, notAfter };
}

function pem(certificate: { toString(format: 'pem'): string }): string {
  return `${certificate.toString('pem')}\n`;
}
