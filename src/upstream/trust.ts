import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createPins, type Pins } from './pins.ts';

/** Roots that Azure's chains end in: one PEM file each, with its source and fingerprint. */
const BUNDLED_ROOTS = [
  'digicert-global-root-g2',
  'digicert-global-root-ca',
  'microsoft-rsa-root-2017',
  'microsoft-ecc-root-2017',
] as const;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What an upstream connection is verified against: nothing less than this, and no way around it. */
export interface Trust {
  /** `bundled`, `system` or the PEM file's path: for messages. */
  readonly roots: string;
  /** The name that SNI carries and the certificate must be for. */
  readonly serverName: string;
  readonly secureContext: SecureContext;
  /** What the server's chain must hold besides; undefined: nothing. */
  readonly pins?: Pins | undefined;
}

/**
 * Reads the roots and makes the TLS context that all upstream connections share.
 *
 * @param roots - `bundled`, `system`, or the path of a PEM file.
 * @param pins - each `sha256/BASE64`; none: no key is asked for.
 * @throws Error whose message says what is wrong with the roots.
 */
export function createTrust(
  roots: string,
  serverName: string,
  tlsMin: '1.2' | '1.3',
  pins: readonly string[] = [],
): Trust {
  const ca = readRoots(roots);
  const secureContext = createSecureContext({ ca, minVersion: `TLSv${tlsMin}` });
  return { roots, serverName, secureContext, pins: createPins(pins, ca) };
}

/** The PEM certificates that `--ca` stands for; at least one, each parsed once to be sure. */
export function readRoots(roots: string): string[] {
  if (roots === 'bundled') return BUNDLED_ROOTS.map(readBundledRoot);
  if (roots === 'system') return systemRoots();
  const certificates = readText(roots).match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error(`${roots} holds no PEM certificate`);
  for (const [index, certificate] of certificates.entries()) {
    if (!isCertificate(certificate)) throw new Error(`certificate ${index + 1} in ${roots} cannot be read`);
  }
  return certificates;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`file ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

function readBundledRoot(name: string): string {
  return readFileSync(new URL(`../../certs/${name}.pem`, import.meta.url), 'utf8');
}

function systemRoots(): string[] {
  if (tls.getCACertificates === undefined) {
    throw new Error(
      "the system's roots need Node.js 22.15 or later: use a PEM file such as your system's bundle",
    );
  }
  return tls.getCACertificates('system');
}
