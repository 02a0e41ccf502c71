import type { Socket } from 'node:net';
import { type Peer, ProxyError, SqlState } from '../errors.ts';
import { encodeFatal } from '../protocol/error-response.ts';
import { closeGently, SHORT_LINGER_MS } from './linger.ts';
import type { SessionActivity } from './observer.ts';
import { TransactionState } from './transaction-state.ts';
import { Turns } from './turns.ts';

/** How a relay came to its end: who closed, and why. */
export interface RelayEnd {
  readonly endedBy: Peer | 'proxy';
  readonly reason: string;
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
}

type Ending = Pick<RelayEnd, 'endedBy' | 'reason'>;

/** Why the proxy wants a session to end as soon as it is between transactions. */
interface Leave {
  readonly reason: string;
  readonly error: ProxyError;
  /** Whether it waits until a slow client has read what it was sent. */
  readonly isPatient: boolean;
}

/**
 * Passes bytes both ways, unchanged, from AuthenticationOk to the end. A peer that does not read makes
 * the other one wait: what is held for it stays within the sockets' high-water marks.
 */
export class Relay {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #state: TransactionState;
  readonly #ended = Promise.withResolvers<Ending>();
  #ending: Ending | undefined;
  #leave: Leave | undefined;
  #bytesFromClient = 0;
  #bytesFromServer = 0;

  /** @param onBackendKey - told the process ID and secret key that name this session to a CancelRequest. */
  constructor(client: Socket, server: Socket, onBackendKey: (key: Buffer) => void) {
    this.#client = client;
    this.#server = server;
    this.#state = new TransactionState(onBackendKey);
  }

  /** Runs until both sockets are closed. Never rejects: a failing peer is an end like any other. */
  async run(): Promise<RelayEnd> {
    this.#relayFromServer();
    this.#relayFromClient();
    // Either may have gone, or ended, before these listeners were there.
    if (this.#client.destroyed) this.#lost('client', undefined);
    else if (this.#client.readableEnded) this.#server.end();
    if (this.#server.destroyed || this.#server.readableEnded) this.#lost('server', undefined);
    const ending = await this.#ended.promise;
    await Promise.all([closed(this.#client), closed(this.#server)]);
    return { ...ending, bytesFromClient: this.#bytesFromClient, bytesFromServer: this.#bytesFromServer };
  }

  /** Closes the session as soon as it is between transactions, with 57P01. */
  drain(): void {
    this.#leave = { reason: 'drained', error: shutdown(), isPatient: false };
    this.#closeIfIdle();
  }

  /**
   * Closes the session as soon as it is between transactions and its client has what it was sent. To be
   * said again from time to time: what a slow client has read is noticed then.
   */
  retire(reason: string, error: ProxyError): void {
    this.#leave ??= { reason, error, isPatient: true };
    this.#closeIfIdle();
  }

  get bytesFromClient(): number {
    return this.#bytesFromClient;
  }

  get bytesFromServer(): number {
    return this.#bytesFromServer;
  }

  /** What the session is busy with. */
  get activity(): SessionActivity {
    return this.#state.activity;
  }

  /** Whether the session waits, outside of a transaction, for what its client says next. */
  get awaitsClient(): boolean {
    return this.#state.idle && !this.#state.streaming && this.#client.writableLength === 0;
  }

  /** Closes the session now, with 57P01 if the server stands between two messages. */
  stop(): void {
    this.#finish({ endedBy: 'proxy', reason: 'stopped' }, this.#lastWords(shutdown()));
  }

  #relayFromServer(): void {
    const client = this.#client;
    const server = this.#server;
    const turns = new Turns(server, client);
    server.on('data', (chunk: Buffer) => {
      this.#bytesFromServer += chunk.length;
      this.#state.pushFromServer(chunk);
      turns.pass(chunk);
      if (this.#leave !== undefined) this.#closeIfIdle();
      // A client over TLS has what it was just sent, as far as can be told here, only at the end of this turn.
      if (this.#leave?.isPatient === true) setImmediate(() => this.#closeIfIdle());
    });
    server.on('end', () => this.#lost('server', undefined));
    server.on('error', (error) => this.#lost('server', error));
    server.on('close', () => this.#lost('server', undefined));
    server.resume();
  }

  #relayFromClient(): void {
    const client = this.#client;
    const server = this.#server;
    client.on('data', (chunk: Buffer) => {
      this.#bytesFromClient += chunk.length;
      this.#state.pushFromClient(chunk);
      if (!server.write(chunk)) client.pause();
    });
    server.on('drain', () => client.resume());
    // A half-close: the server still has to say what it has to say. After Terminate it is told nothing more:
    // a server that exits with bytes unread resets the connection, and what it said last is lost.
    client.on('end', () => {
      if (!this.#state.terminated) server.end();
    });
    client.on('error', (error) => this.#lost('client', error));
    client.on('close', () => this.#lost('client', undefined));
    client.resume();
  }

  #lost(peer: Peer, error: NodeJS.ErrnoException | undefined): void {
    const how = error === undefined ? 'closed' : (error.code ?? 'failed');
    if (peer === 'client') return this.#finish({ endedBy: 'client', reason: how });
    const { terminated, awaited, explained } = this.#state;
    if (terminated && !awaited) return this.#finish({ endedBy: 'client', reason: 'terminated' });
    if (explained) return this.#finish({ endedBy: 'server', reason: 'FATAL error' });
    if (this.#client.readableEnded && !terminated) {
      const words = awaited ? this.#lastWords(serverLost()) : undefined;
      return this.#finish({ endedBy: 'client', reason: 'closed' }, words);
    }
    this.#finish({ endedBy: 'server', reason: `lost (${how})` }, this.#lastWords(serverLost()));
  }

  #closeIfIdle(): void {
    if (this.#leave === undefined || !this.#state.idle) return;
    const { reason, error, isPatient } = this.#leave;
    if (isPatient && this.#client.writableLength > 0) return;
    this.#finish({ endedBy: 'proxy', reason }, encodeFatal(error));
  }

  /** An ErrorResponse, unless it would land in the middle of a message of the server's. */
  #lastWords(error: ProxyError): Buffer | undefined {
    return this.#state.serverAtBoundary ? encodeFatal(error) : undefined;
  }

  #finish(ending: Ending, lastWords?: Buffer): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#server.removeAllListeners('data');
    const byUs = ending.endedBy === 'proxy';
    const lingerMs = byUs ? SHORT_LINGER_MS : undefined;
    // A client that vanished wants no answer; one that said Terminate has its last bytes on the way.
    if (ending.endedBy === 'client' && !this.#state.terminated) this.#server.destroy();
    else void closeGently(this.#server, byUs ? TERMINATE : undefined, lingerMs);
    void closeGently(this.#client, lastWords, lingerMs);
    this.#ended.resolve(ending);
  }
}

/** Terminate: Byte1 'X', Int32 4. */
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

function shutdown(): ProxyError {
  return new ProxyError(SqlState.adminShutdown, 'pg-entra-proxy is shutting down', {
    hint: 'Connect again in a moment.',
  });
}

function serverLost(): ProxyError {
  return new ProxyError(SqlState.connectionFailure, 'the server closed the connection without saying why', {
    hint: 'It may have crashed or failed over, or something on the way dropped the connection: connect again.',
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', resolve);
  });
}
