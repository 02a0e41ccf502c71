import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { ProxyError } from '../errors.ts';
import { closeGently } from '../proxy/linger.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import { ConnectTimeoutError } from '../upstream/failures.ts';
import { findVouchers } from '../upstream/pins.ts';
import { readRoots } from '../upstream/trust.ts';
import { certificateFact, endsSoon, nameOf, namesFact } from './certificates.ts';
import { type Checked, type Fact, type Finding, failedBy, ok, type Repair, warning } from './step.ts';
import { days } from './times.ts';
import { chainOf, lookUnverified } from './unverified-look.ts';

/** OpenSSL's codes for a chain that ends in nobody whom we trust. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO/;

/** Opens a verified session as a login does, tells what was verified, and hangs up. */
export async function checkTls(upstream: Upstream, now = Date.now()): Promise<Checked<true>> {
  try {
    const { socket } = await dialUpstream(upstream, new AbortController().signal);
    const finding = describeVerified(socket, upstream, now);
    void closeGently(socket);
    return { finding, result: true };
  } catch (error) {
    return { finding: await explain(error, upstream, now) };
  }
}

function describeVerified(socket: TLSSocket, upstream: Upstream, now: number): Finding {
  const { serverName, roots, pins } = upstream.trust;
  const own = socket.getPeerX509Certificate();
  const trusted = readRoots(roots).map((pem) => new X509Certificate(pem));
  const chain = own === undefined ? [] : findVouchers(own, [...chainOf(own).slice(1), ...trusted]);
  const fingerprints = new Set(trusted.map(({ fingerprint256 }) => fingerprint256));
  const anchors = chain.filter(({ fingerprint256 }) => fingerprints.has(fingerprint256));
  const anchor = anchors.find(({ subject, issuer }) => subject === issuer) ?? anchors.at(-1);
  const cipher = socket.getCipher();
  const summary = `${socket.getProtocol()}, verified to be ${serverName}`;
  const facts: Fact[] = [
    { name: 'cipher', value: cipher.standardName },
    ...chain.map((one, index) =>
      certificateFact(one === anchor ? 'root' : index === 0 ? 'certificate' : 'signed by', one, now),
    ),
    { name: 'trusted by', value: roots === 'bundled' || roots === 'system' ? `--ca ${roots}` : roots },
    ...(pins === undefined ? [] : [{ name: 'pin', value: 'a key of the chain is one of --pin' }]),
  ];
  const ending = endsSoon(chain, now);
  if (ending === undefined) return ok(summary, facts);
  const repair: Repair[] = [
    { text: "Have it renewed in time. Azure renews its servers' certificates by itself." },
  ];
  const whose = ending === own ? 'the certificate' : `the certificate of ${nameOf(ending.subject)}`;
  const when = days(ending.validToDate.getTime(), now);
  return warning(`${summary}, but ${whose} expires ${when}`, facts, repair);
}

/** A failure, with what can be seen of the certificates without believing them. */
async function explain(error: unknown, upstream: Upstream, now: number): Promise<Finding> {
  const cause = error instanceof ProxyError ? error.cause : undefined;
  const finding = failedBy(error);
  // Whoever was silent for as long as that would be so again.
  if (cause instanceof ConnectTimeoutError) return finding;
  try {
    const { protocol, chain } = await lookUnverified(upstream);
    const facts = [
      { name: 'seen', value: `over ${protocol}, nothing of it verified:` },
      ...chain.map((one, index) => certificateFact(index === 0 ? 'certificate' : 'sent with it', one, now)),
      ...chain.slice(0, 1).map(namesFact),
    ];
    const isUntrusted = UNTRUSTED.test((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
    const repair = isUntrusted ? [...finding.repair, whoVouches(chain, upstream)] : finding.repair;
    return { ...finding, facts, repair };
  } catch {
    return finding;
  }
}

/** Whom to ask, where somebody else vouches for the server than should. */
function whoVouches(chain: readonly X509Certificate[], { trust }: Upstream): Repair {
  const last = nameOf(chain.at(-1)?.issuer);
  return {
    text:
      `The chain ends in "${last}". If that is your network's TLS inspection, have ${trust.serverName} exempted ` +
      'from it: whoever inspects gets to see the token, and all data.',
  };
}
