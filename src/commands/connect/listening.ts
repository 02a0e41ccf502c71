import { resolve } from 'node:path';
import type { ServerConfig } from '../../config/load.ts';
import { isLoopback } from '../../loopback.ts';
import { clientTarget } from '../../proxy/listener.ts';
import { socketPath } from '../../proxy/unix-socket.ts';
import { listenAddresses } from '../local-side.ts';
import { type LocalCertificate, readLocalCertificate } from './local-certificate.ts';
import type { Target } from './target.ts';

/** The CA's file, where it is not known which one that is. */
const ROOT_CERT = 'CA.pem';

/** A listener as clients see it, and what they should know of it. */
export interface Place extends Pick<Target, 'host' | 'port' | 'socket' | 'tls'> {
  /** In whole sentences. */
  readonly remarks: readonly string[];
}

/**
 * Where a server's clients go. A port comes before a Unix socket where there are both: every client knows ports.
 *
 * @throws Error with what has to be said if only a running proxy knows it.
 */
export function findPlace({ settings, given }: ServerConfig): Place {
  const addresses = listenAddresses(settings, given);
  const tcp = addresses.find((one) => one.kind === 'tcp');
  const unix = addresses.find((one) => one.kind === 'unix');
  const path = unix === undefined ? undefined : socketPath(resolve(unix.path), unix.port);
  const socketRemarks =
    path === undefined || tcp === undefined ? [] : [`There is a Unix socket too: ${path}`];
  if (tcp === undefined) return socketPlace(path ?? '');
  if (tcp.port === 0) throw anyPort();
  const certFile = settings['local-tls-cert'];
  const place = isLoopback(tcp.address)
    ? localPlace(tcp.address, tcp.port, certFile)
    : networkPlace(tcp.address, tcp.port, certFile);
  const sameUser = settings['same-user'] ? [ONLY_THIS_USER] : [];
  return { ...place, remarks: [...place.remarks, ...sameUser, ...socketRemarks] };
}

const ONLY_THIS_USER = 'Only processes of the user that the proxy runs as get in.';

function anyPort(): Error {
  return new Error(
    'port 0 is any free one, which only the running proxy knows: give --port N with the one in its log',
  );
}

/** TLS does not go with Unix sockets, for libpq at least. */
function socketPlace(path: string): Place {
  const target = clientTarget({ kind: 'unix', path, reach: 'user' });
  if (target === undefined || target.port === 0) throw anyPort();
  return { ...target, socket: path, tls: { mode: 'disable' }, remarks: [ONLY_THIS_USER] };
}

/** Nobody listens in there: TLS is for clients that insist on it. */
function localPlace(address: string, port: number, certFile: string | undefined): Place {
  const at = { host: address, port, socket: undefined };
  if (certFile === undefined) {
    return { ...at, tls: { mode: 'disable' }, remarks: ['No TLS: the hop stays on this machine.'] };
  }
  const { hosts, rootCert = ROOT_CERT } = readLocalCertificate(certFile) ?? UNREADABLE;
  const name = hosts.find((host) => isLoopback(host));
  const full =
    name === undefined ? [] : [`sslmode=verify-full works too, with host ${name} and the CA ${rootCert}`];
  return { ...at, tls: { mode: 'require' }, remarks: ['TLS is offered, and nobody has to use it.', ...full] };
}

const UNREADABLE: LocalCertificate = { hosts: [], rootCert: undefined };

/** Other machines go by a name of the certificate. */
function networkPlace(address: string, port: number, certFile: string | undefined): Place {
  const own = clientTarget({ kind: 'tcp', address, port, reach: 'network' }) ?? { host: address, port };
  const elsewhere = `From other machines: this machine's name or address in the place of ${own.host}`;
  const isEverywhere = own.host !== address;
  if (certFile === undefined) {
    const clear = 'No TLS: queries and results cross the network in the clear; see --local-tls-cert.';
    const remarks = isEverywhere ? [elsewhere, clear] : [clear];
    return { ...own, socket: undefined, tls: { mode: 'disable' }, remarks };
  }
  const { hosts, rootCert } = readLocalCertificate(certFile) ?? UNREADABLE;
  const ca = rootCert === undefined ? [`${ROOT_CERT} stands for the CA of ${certFile}`] : [];
  const host = hosts[0] ?? own.host;
  const name = hosts.length === 0 && isEverywhere ? [elsewhere] : [];
  const tls = { mode: 'verify-full', rootCert: rootCert ?? ROOT_CERT } as const;
  return { host, port, socket: undefined, tls, remarks: [...name, ...ca] };
}
