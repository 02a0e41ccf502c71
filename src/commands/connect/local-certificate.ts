import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** What clients need to know of the proxy's own certificate. */
export interface LocalCertificate {
  /** The host names and addresses that it is for; wildcards are left out. */
  readonly hosts: readonly string[];
  /** The file that clients can trust: only one with a root in it is of use to them. */
  readonly rootCert: string | undefined;
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @returns undefined if the file cannot be read here, or has no certificate: whoever runs the proxy is told why. */
export function readLocalCertificate(path: string): LocalCertificate | undefined {
  try {
    const chain = (readFileSync(path, 'utf8').match(PEM) ?? []).map((pem) => new X509Certificate(pem));
    const [leaf] = chain;
    if (leaf === undefined) return undefined;
    const hasRoot = chain.some((certificate) => certificate.checkIssued(certificate));
    return { hosts: hostsOf(leaf), rootCert: hasRoot ? resolve(path) : undefined };
  } catch {
    return undefined;
  }
}

/** `DNS:localhost, IP Address:127.0.0.1`, as Node.js writes it; names that need quotes are no host names. */
function hostsOf({ subjectAltName = '' }: X509Certificate): string[] {
  const entries = subjectAltName
    .split(', ')
    .map((entry) => /^(?:DNS|IP Address):([\w.:-]+)$/.exec(entry)?.[1]);
  return entries.filter((host) => host !== undefined);
}
