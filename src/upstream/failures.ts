import { ProxyError, SqlState } from '../errors.ts';
import type { Upstream } from './dial.ts';
import { PinMismatchError } from './pins.ts';

/** The whole of a dial, TLS included, took longer than `--connect-timeout`. */
export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError';
}

/** An address let the time pass that one attempt has for TCP: the name may stand for another one by now. */
export class SilentAddressError extends Error {
  override readonly name = 'SilentAddressError';
}

/**
 * Whether a dial that failed may do better in a moment: `outage` is what a server gives that restarts or
 * fails over; `name` is one that does not resolve, which may be DNS but mostly is a mistake. Whatever
 * concerns trust is `final`, and so is what the server itself answers.
 */
export type Prospect = 'outage' | 'name' | 'final';

/** A dial that failed, as clients are told: 08001, with a HINT that names the setting to look at. */
export class DialFailure extends ProxyError {
  readonly prospect: Prospect;

  constructor(message: string, hint: string, cause: unknown) {
    super(SqlState.cannotConnect, message, { hint, cause });
    this.prospect = PROSPECTS[errorCode(cause)] ?? 'final';
  }
}

const PROSPECTS: Readonly<Record<string, Prospect>> = {
  ENOTFOUND: 'name',
  EAI_AGAIN: 'name',
  ECONNREFUSED: 'outage',
  ECONNRESET: 'outage',
  EPIPE: 'outage',
  EHOSTUNREACH: 'outage',
  EHOSTDOWN: 'outage',
  ENETUNREACH: 'outage',
  ENETDOWN: 'outage',
  ETIMEDOUT: 'outage',
  SilentAddressError: 'outage',
  // It closed instead of answering SSLRequest, and in the handshake.
  PeerClosedError: 'outage',
  'connection closed': 'outage',
};

/** What can be said of a name that did not resolve or a TCP connection that did not open. */
export function connectFailure(error: unknown, upstream: Upstream): DialFailure {
  const where = `${upstream.address}:${upstream.port}`;
  switch (errorCode(error)) {
    case 'ENOTFOUND':
      return failure(`could not resolve the server name "${upstream.address}"`, error, [
        'Check the server name given on the command line.',
        'With a private endpoint, check that its DNS zone is linked to this network, or give --upstream-address.',
      ]);
    case 'EAI_AGAIN':
      return failure(`could not resolve "${upstream.address}": DNS does not answer`, error, [
        "Check this machine's network and DNS, or give --upstream-address.",
      ]);
    case 'ECONNREFUSED':
      return failure(`the server at ${where} refused the connection`, error, [
        'Check that the server is running, and --upstream-address and --upstream-port.',
      ]);
    case 'ConnectTimeoutError':
    case 'SilentAddressError':
    case 'ETIMEDOUT':
      return failure(`no answer from the server at ${where} within the connect timeout`, error, [
        "Check the server's firewall rules (Networking in the Azure portal) and this machine's route to it,",
        'or --upstream-address with a private endpoint; --connect-timeout sets how long to wait.',
      ]);
    case 'EMFILE':
    case 'ENFILE':
      return failure(`no file descriptor left to connect to ${where}`, error, [
        'Raise the limit of open files (ulimit -n), or lower --max-sessions.',
      ]);
    default:
      return failure(`could not connect to the server at ${where}: ${errorCode(error)}`, error, [
        "Check this machine's network, --upstream-address and --upstream-port.",
      ]);
  }
}

/** What an answer to SSLRequest other than `S` means; `closed` stands for none, `injected` for more than that. */
export function answerFailure(answer: string, upstream: Upstream, cause?: unknown): DialFailure {
  const where = `${upstream.address}:${upstream.port}`;
  switch (answer) {
    case 'N':
      return failure(`the server at ${where} does not offer TLS`, cause, [
        'A token is sent over verified TLS only. Check that --upstream-address and --upstream-port',
        'point at the server itself, not at a local pooler or another proxy.',
      ]);
    case 'E':
      return failure(`the server at ${where} answered SSLRequest with an error`, cause, [
        'It may be out of connections, starting, or not PostgreSQL: check its log, --upstream-address and --upstream-port.',
      ]);
    case 'closed':
      return failure(`the server at ${where} closed the connection when asked for TLS`, cause, [
        "Check the server's firewall rules, and that --upstream-address and --upstream-port point at PostgreSQL.",
      ]);
    case 'injected':
      return failure('the server sent plaintext behind its answer to SSLRequest', cause, [
        `Someone may be injecting bytes on the way to ${where} (CVE-2021-23222); check --upstream-address.`,
      ]);
    default:
      return failure(`the server at ${where} does not speak PostgreSQL`, cause, [
        'It gave no valid answer to SSLRequest. Check --upstream-address and --upstream-port.',
      ]);
  }
}

/** What is wrong with the server's certificate, or with TLS itself. */
export function tlsFailure(error: unknown, upstream: Upstream): DialFailure {
  const { serverName, roots } = upstream.trust;
  const code = errorCode(error);
  if (error instanceof PinMismatchError) return pinFailure(error);
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return failure(`the server's certificate is not for "${serverName}"`, error, [
        `${certificateNames(error)}Check --server-name, and that --upstream-address is the right server.`,
      ]);
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return failure(`the server's certificate does not come from a trusted root (${code})`, error, [
        `--ca is "${roots}". Azure's roots are bundled; for a server with its own CA give --ca FILE.`,
        'If it should be Azure, something on the way is intercepting TLS.',
      ]);
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return failure(`the server's certificate ${CERTIFICATE_DATES[code]}`, error, [
        "Check this machine's clock first, then the server's certificate and the roots given with --ca.",
      ]);
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      return failure('the server and --tls-min have no TLS version in common', error, [
        'Lower --tls-min to 1.2 if it is 1.3; nothing older is spoken.',
      ]);
    default:
      return failure(`TLS with the server failed: ${code}`, error, [
        'Check --upstream-address, --server-name and --ca.',
      ]);
  }
}

function pinFailure(error: PinMismatchError): DialFailure {
  return failure("no key in the chain of the server's certificate is one that --pin names", error, [
    `The chain is: ${error.chain.join('; ')}.`,
    "If the server's certificates were renewed, make sure of that and change --pin: Azure renews all but",
    'its roots unannounced, so pin a root. If not, something on the way is intercepting TLS.',
  ]);
}

const CERTIFICATE_DATES = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
} as const;

function failure(message: string, cause: unknown, hint: readonly string[]): DialFailure {
  return new DialFailure(message, hint.join(' '), cause);
}

/** The first code of an error; with several addresses, Node.js puts their errors into an AggregateError. */
function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : error.name === 'Error' ? error.message : error.name;
}

/** The names a certificate is for, cut short: it is a stranger's text. */
function certificateNames(error: unknown): string {
  const certificate = (error as { cert?: { subjectaltname?: string } }).cert;
  const names = certificate?.subjectaltname?.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return names === undefined ? '' : `It is for ${names}. `;
}
