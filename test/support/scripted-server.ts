import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { type Listener, listen } from '../../src/demo/loopback.ts';
import { CLEARTEXT_PASSWORD, message, READY, SSL_REQUEST, WELCOME } from './messages.ts';

/** What the server does with one connection. Whatever follows its end is read and dropped. */
export type Script = (connection: ScriptedConnection) => Promise<void>;

/** The proxy closed while a script waited for its bytes: often just what a test is after. */
class PeerGone extends Error {}

/** One connection to a scripted server. Each step waits for the proxy's part of it, then does its own. */
export class ScriptedConnection {
  readonly tcp: Socket;
  /** Everything that came, in the clear or out of TLS. */
  heard = Buffer.alloc(0);
  /** Whether the proxy was content with our certificate. */
  secured = false;
  /** The password messages that came. */
  readonly passwords: string[] = [];
  readonly #tls: () => SecureContextOptions;
  #socket: Socket;
  #taken = 0;
  #gone = false;
  #wake = (): void => {};

  constructor(tcp: Socket, tls: () => SecureContextOptions) {
    this.tcp = tcp;
    this.#tls = tls;
    this.#socket = tcp;
    this.#listen();
  }

  /** Bytes the proxy sent behind what the steps so far have read. */
  get unread(): Buffer {
    return this.heard.subarray(this.#taken);
  }

  send(...parts: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  /** Sends and waits until the kernel has it. */
  async flush(...parts: readonly Buffer[]): Promise<void> {
    await new Promise((resolve) => {
      this.#socket.write(Buffer.concat(parts), resolve);
    });
  }

  async readSslRequest(): Promise<void> {
    assert.deepEqual(await this.#take(8), SSL_REQUEST);
  }

  /** Answers SSLRequest with `S` and shakes hands. */
  async acceptTls(): Promise<void> {
    await this.readSslRequest();
    this.send(Buffer.from('S'));
    await this.startTls();
  }

  /** Waits for a handshake; fails if the proxy does not like it. */
  async startTls(): Promise<void> {
    this.#socket.off('data', this.#onData).off('end', this.#onGone).off('close', this.#onGone);
    const secureContext = createSecureContext(this.#tls());
    const secure = new TLSSocket(this.#socket, { isServer: true, secureContext });
    this.#socket = secure;
    this.#listen();
    await new Promise<void>((resolve, reject) => {
      secure.once('secure', resolve).once('close', () => reject(new PeerGone()));
    });
    this.secured = true;
  }

  /** As far as the StartupMessage: returned without its length. */
  async acceptStartup(): Promise<Buffer> {
    await this.acceptTls();
    const length = (await this.#take(4)).readUInt32BE(0);
    return this.#take(length - 4);
  }

  /** As far as the token, which any server could have asked for. */
  async acceptToken(): Promise<string> {
    await this.acceptStartup();
    return this.askForToken();
  }

  async askForToken(): Promise<string> {
    this.send(CLEARTEXT_PASSWORD);
    const { type, body } = await this.readMessage();
    assert.equal(type, 'p');
    const password = body.toString('utf8', 0, body.length - 1);
    this.passwords.push(password);
    return password;
  }

  async readMessage(): Promise<{ type: string; body: Buffer }> {
    const head = await this.#take(5);
    return { type: head.toString('latin1', 0, 1), body: await this.#take(head.readUInt32BE(1) - 4) };
  }

  /** Answers queries, whatever they say, with nothing, until the proxy is gone. */
  async serve(): Promise<void> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one message after the other
      const { type } = await this.readMessage();
      if (type === 'Q') this.send(message('C', 'SELECT 0\0'), READY);
      if (type === 'X') return this.end();
    }
  }

  end(): void {
    this.#socket.end();
  }

  /** No goodbye: neither TLS's own nor PostgreSQL's. */
  destroy(): void {
    this.tcp.destroy();
  }

  reset(): void {
    this.tcp.resetAndDestroy();
  }

  /** Waits until the proxy has closed, and drops what it says until then. */
  async untilGone(): Promise<void> {
    while (!this.#gone) {
      // oxlint-disable-next-line no-await-in-loop -- each wait is for the next event
      await this.#nextEvent();
    }
  }

  /** Waits for a byte that no step has read. */
  async hasUnread(): Promise<void> {
    await this.#take(1);
    this.#taken -= 1;
  }

  async #take(length: number): Promise<Buffer> {
    while (this.unread.length < length) {
      if (this.#gone) throw new PeerGone();
      // oxlint-disable-next-line no-await-in-loop -- each wait is for the next bytes
      await this.#nextEvent();
    }
    this.#taken += length;
    return this.heard.subarray(this.#taken - length, this.#taken);
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #listen(): void {
    this.#socket.on('data', this.#onData).on('error', this.#onGone);
    this.#socket.on('end', this.#onGone).on('close', this.#onGone);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.heard = Buffer.concat([this.heard, chunk]);
    this.#wake();
  };

  readonly #onGone = (): void => {
    this.#gone = true;
    this.#wake();
  };
}

/** The login that every token gets, and then empty answers. */
export const welcome: Script = async (connection) => {
  await connection.acceptToken();
  connection.send(WELCOME);
  await connection.serve();
};

/** A PostgreSQL that does what a test tells it, over real sockets. */
export class ScriptedServer implements AsyncDisposable {
  /** What each connection from now on gets. */
  script: Script = welcome;
  /** What each handshake from now on is made with. */
  tls: SecureContextOptions;
  readonly connections: ScriptedConnection[] = [];
  /** What went wrong in scripts, other than that the proxy left. */
  readonly failures: unknown[] = [];
  readonly #listener: Listener;
  readonly #open = new Set<Socket>();

  private constructor(server: Server, listener: Listener, tls: SecureContextOptions) {
    this.tls = tls;
    this.#listener = listener;
    server.on('connection', (tcp) => void this.#play(tcp));
  }

  static async start(tls: SecureContextOptions): Promise<ScriptedServer> {
    const server = createServer({ noDelay: true });
    return new ScriptedServer(server, await listen(server), tls);
  }

  get port(): number {
    return this.#listener.port;
  }

  /** Connections that the proxy has left open. */
  get openCount(): number {
    return this.#open.size;
  }

  /** All tokens that arrived so far. */
  get passwords(): string[] {
    return this.connections.flatMap(({ passwords }) => passwords);
  }

  /** Whether a text came in on any connection, in whatever message. */
  hasHeard(text: string): boolean {
    return this.connections.some(({ heard }) => heard.includes(text));
  }

  /** The next connection to come. */
  async nextConnection(): Promise<ScriptedConnection> {
    const count = this.connections.length;
    while (this.connections.length === count) {
      // oxlint-disable-next-line no-await-in-loop -- woken by each
      await new Promise<void>((resolve) => {
        this.#onConnection = resolve;
      });
    }
    return this.connections[count] as ScriptedConnection;
  }

  #onConnection = (): void => {};

  async #play(tcp: Socket): Promise<void> {
    this.#open.add(tcp);
    tcp.on('error', () => {}).on('close', () => this.#open.delete(tcp));
    const connection = new ScriptedConnection(tcp, () => this.tls);
    this.connections.push(connection);
    this.#onConnection();
    try {
      await this.script(connection);
    } catch (error) {
      if (!(error instanceof PeerGone)) this.failures.push(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#listener.close();
  }
}

/** A TCP listener that has a port of its own and is not there any more. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  const { port, close } = await listen(server);
  const closed = once(server, 'close');
  await close();
  await closed;
  return port;
}
