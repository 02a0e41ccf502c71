import type { X509Certificate } from 'node:crypto';
import { printable } from '../redact.ts';
import type { Fact } from './step.ts';
import { days } from './times.ts';

/** Certificates that end sooner than this are told of, in milliseconds. */
const SOON_MS = 30 * 86_400_000;

/** How many of the names that a certificate is for are shown. */
const MAX_NAMES = 6;

/** A certificate of a chain as a line: whose it is, who says so, and for how long. */
export function certificateFact(name: string, certificate: X509Certificate, now: number): Fact {
  const { validFromDate, validToDate } = certificate;
  const isRoot = certificate.subject === certificate.issuer;
  const issuer = isRoot ? 'issued by itself' : `issued by ${nameOf(certificate.issuer)}`;
  const start = validFromDate.getTime();
  const validity =
    start > now
      ? `valid only from ${days(start, now)}`
      : `${validToDate.getTime() < now ? 'EXPIRED' : 'valid until'} ${days(validToDate.getTime(), now)}`;
  return { name, value: `${nameOf(certificate.subject)}, ${issuer}, ${validity}` };
}

/** Whether one of them ends within 30 days; the first that does. */
export function endsSoon(chain: readonly X509Certificate[], now: number): X509Certificate | undefined {
  return chain.find(({ validToDate }) => validToDate.getTime() - now < SOON_MS);
}

/** The names that a certificate is for. */
export function namesFact({ subjectAltName = '' }: X509Certificate): Fact {
  const names = subjectAltName.split(', ').map((name) => name.replace(/^(?:DNS|IP Address):/, ''));
  const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
  const shown = printable(names.slice(0, MAX_NAMES).join(', '), 300);
  return { name: 'for', value: subjectAltName === '' ? 'no name at all' : `${shown}${more}` };
}

/**
 * What people call somebody: the common name, or else all there is.
 *
 * @param distinguishedName - lines of `KEY=value`.
 */
export function nameOf(distinguishedName: string | undefined): string {
  const lines = (distinguishedName ?? '').split('\n');
  const common = lines.findLast((line) => line.startsWith('CN='))?.slice('CN='.length);
  return printable(common ?? (lines.join(', ') || 'nobody'), 120);
}
