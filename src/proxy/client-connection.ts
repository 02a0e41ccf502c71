import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError, SqlState } from '../errors.ts';
import { SocketReader } from '../socket-reader.ts';
import type { LocalTls } from './local-tls.ts';

/** PostgreSQL's name in TLS's application-layer protocol negotiation. */
const ALPN = 'postgresql';

/** What is known of a client's TLS once its handshake is done. */
export interface ClientTls {
  /** 'TLSv1.2' or 'TLSv1.3'. */
  readonly version: string;
  /** Whether the client has said that it means to speak PostgreSQL. */
  readonly saidPostgresql: boolean;
  /** The certificate that this client was shown, DER: what channel binding binds to. */
  readonly certificate: Buffer | undefined;
}

/** A client's connection, which changes its socket once, when the client asks for TLS and gets it. */
export class ClientConnection {
  readonly #localTls: LocalTls | undefined;
  #socket: Socket;
  #reader: SocketReader;
  #tls: ClientTls | undefined;

  constructor(socket: Socket, localTls?: LocalTls) {
    this.#localTls = localTls;
    // From here on there is always one, whoever else listens: an 'error' without a listener ends the process.
    this.#socket = socket.on('error', ignore);
    this.#reader = new SocketReader(socket, 'client');
  }

  get socket(): Socket {
    return this.#socket;
  }

  get reader(): SocketReader {
    return this.#reader;
  }

  /** Undefined as long as the client speaks in the clear. */
  get tls(): ClientTls | undefined {
    return this.#tls;
  }

  /** What {@link startTls} needs; undefined where there is no certificate, and within TLS. */
  async tlsOffer(signal: AbortSignal): Promise<SecureContext | undefined> {
    if (this.#localTls === undefined || this.#tls !== undefined) return undefined;
    return this.#localTls.current(signal);
  }

  /**
   * Goes over to TLS. What has arrived and is unread is taken for the client's part of the handshake.
   *
   * @throws {@link ProxyError} 08P01, for the log alone, if it fails; PeerClosedError if the client leaves; the
   *   signal's reason. The socket is then closed: nothing can be said any more.
   */
  async startTls(secureContext: SecureContext, signal: AbortSignal): Promise<void> {
    const plain = this.#socket;
    this.#reader.detach();
    if (plain.readableEnded || plain.destroyed) throw new PeerClosedError('client');
    const socket = new TLSSocket(plain, { isServer: true, secureContext, ALPNProtocols: [ALPN] });
    // After the handshake of a socket without a tls.Server, Node.js has but this event for errors, and goes on.
    socket.on('error', ignore).on('_tlsError', (error: Error) => socket.destroy(error));
    socket.disableRenegotiation();
    // What had ended before TLS took over does not end again.
    plain.once('end', () => socket.destroy());
    this.#socket = socket;
    this.#reader = new SocketReader(socket, 'client');
    try {
      await secured(socket, signal);
    } catch (error) {
      socket.destroy();
      throw handshakeFailure(error);
    }
    this.#tls = {
      version: socket.getProtocol() ?? 'unknown',
      saidPostgresql: socket.alpnProtocol === ALPN,
      certificate: socket.getX509Certificate()?.raw,
    };
  }
}

/** Waits for the end of a handshake, good or bad. */
function secured(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      socket.off('secure', onSecure).off('error', settle).off('end', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onSecure = (): void => settle();
    const onEnd = (): void => settle(new PeerClosedError('client'));
    const onAbort = (): void => settle(signal.reason);
    socket.on('secure', onSecure).on('error', settle).on('end', onEnd).on('close', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** Alerts by which a client says that it does not like our certificate (RFC 8446, section 6.2), as OpenSSL has them. */
const REFUSED_CERTIFICATE =
  /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(?:REVOKED|EXPIRED|UNKNOWN))$/;

const TRUST_HINT =
  'Give the client the CA that has issued the certificate of --local-tls-cert (sslrootcert), or let it not check ' +
  'the certificate (sslmode=require).';

/** What went wrong in a handshake, for the log. */
function handshakeFailure(error: unknown): unknown {
  const { code = '', reason = code } = error as NodeJS.ErrnoException & { readonly reason?: string };
  if (!code.startsWith('ERR_SSL_'))
    return code.startsWith('E') ? new PeerClosedError('client', error) : error;
  const isRefusal = REFUSED_CERTIFICATE.test(code);
  const what = isRefusal ? "the client does not accept the proxy's certificate" : 'the TLS handshake failed';
  const hint = isRefusal ? TRUST_HINT : failureHint(code);
  return new ProxyError(SqlState.protocolViolation, `${what}: ${reason}`, { hint, cause: error });
}

function failureHint(code: string): string {
  switch (code) {
    case 'ERR_SSL_NO_APPLICATION_PROTOCOL':
      return 'The client means to speak another protocol over TLS than PostgreSQL (ALPN).';
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_VERSION_TOO_LOW':
      return 'The client speaks no TLS newer than 1.1: use a newer one, or turn TLS off there (sslmode=disable).';
    default:
      return 'Something other than TLS, or broken TLS, came from the client: see whether it is a PostgreSQL client.';
  }
}

function ignore(): void {}
