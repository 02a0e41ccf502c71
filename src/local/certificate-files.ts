import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { ProxyError, UsageError } from '../errors.ts';
import { readSecretFile } from '../identity/secret-file.ts';

/** Where the proxy's own certificate is, and the private key for it: two files, or one with both; PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate to show to clients, ready for use. */
export interface LocalCertificate {
  readonly secureContext: SecureContext;
  readonly certificate: X509Certificate;
  /** Why clients that check it will not accept it at this time. */
  readonly warning: string | undefined;
}

const CERTIFICATE = /-----BEGIN (?:X509 )?CERTIFICATE-----[^]+?-----END (?:X509 )?CERTIFICATE-----/g;

/**
 * Reads a certificate, with those of its CAs behind it if need be, and its private key, and checks that
 * they are fit for use together.
 *
 * @throws {@link UsageError} with every problem: a file that cannot be read or makes no sense, a key that
 *   other users of the machine can read, or that is another certificate's.
 */
export async function loadCertificate({ certFile, keyFile }: CertificateFiles): Promise<LocalCertificate> {
  const [chainRead, keyRead] = await Promise.allSettled([readChain(certFile), readKey(keyFile)]);
  const problems = [chainRead, keyRead].flatMap((read) =>
    read.status === 'rejected' ? problemsOf(read.reason) : [],
  );
  if (chainRead.status === 'rejected' || keyRead.status === 'rejected') throw new UsageError(problems);
  const { pem, certificates } = chainRead.value;
  const [certificate, ...others] = certificates;
  if (!certificate.checkPrivateKey(keyRead.value)) {
    const isLater = others.some((one) => one.checkPrivateKey(keyRead.value));
    throw new UsageError([
      isLater
        ? `${certFile}: the certificate of the key must be the first, before those of its CAs`
        : `${keyFile}: the key does not belong to the certificate in ${certFile}`,
    ]);
  }
  const secureContext = createContext(pem, keyRead.value, certFile);
  return { secureContext, certificate, warning: validityWarning(certificate, certFile) };
}

interface Chain {
  readonly pem: string;
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

async function readChain(path: string): Promise<Chain> {
  const pem = await readFile(path, 'latin1').catch((error: unknown) => {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new UsageError([`${path}: the local TLS certificate cannot be read (${reason})`]);
  });
  const blocks = pem.match(CERTIFICATE) ?? [];
  const [first, ...others] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new UsageError([`${path}: certificate ${index + 1} of ${blocks.length} is damaged`]);
    }
  });
  if (first === undefined) {
    throw new UsageError([`${path}: no certificate in it (PEM: -----BEGIN CERTIFICATE-----)`]);
  }
  return { pem: blocks.join('\n'), certificates: [first, ...others] };
}

async function readKey(path: string): Promise<KeyObject> {
  const pem = await readSecretFile({ path, kind: 'local TLS key', flag: '--local-tls-key' });
  if (!pem.includes('PRIVATE KEY-----')) {
    throw new UsageError([`${path}: no private key in it (PEM: -----BEGIN PRIVATE KEY-----)`]);
  }
  if (/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new UsageError([
      `${path}: the key has a passphrase, which nobody is there to type: store it without one (openssl pkey)`,
    ]);
  }
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's words say less than this, and a key's are not for the log.
    throw new UsageError([`${path}: the private key is damaged`]);
  }
}

function createContext(cert: string, key: KeyObject, certFile: string): SecureContext {
  try {
    const keyPem = key.export({ type: 'pkcs8', format: 'pem' });
    return createSecureContext({ cert, key: keyPem, minVersion: 'TLSv1.2' });
  } catch (error) {
    // Too short a key for OpenSSL's security level, for example.
    throw new UsageError([`${certFile}: OpenSSL refuses it: ${(error as Error).message}`]);
  }
}

function validityWarning(certificate: X509Certificate, path: string): string | undefined {
  const { validFromDate, validToDate } = certificate;
  const now = Date.now();
  const consequence = 'clients that check it (sslmode=verify-ca, verify-full) will not connect';
  if (validToDate.getTime() < now)
    return `${path}: the certificate expired on ${validToDate.toISOString()}: ${consequence}`;
  if (validFromDate.getTime() > now)
    return `${path}: the certificate is not valid before ${validFromDate.toISOString()}: ${consequence}`;
  return undefined;
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof UsageError) return error.problems;
  if (error instanceof ProxyError) return [`${error.message}. ${error.hint}`];
  throw error;
}
