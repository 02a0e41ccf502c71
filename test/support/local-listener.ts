import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { toProxyError } from '../../src/errors.ts';
import { LocalUsers } from '../../src/local/local-users.ts';
import { deriveVerifier, parseScramVerifier, type ScramVerifier } from '../../src/local/scram-verifier.ts';
import { encodeFatal } from '../../src/protocol/error-response.ts';
import { lastParameter } from '../../src/protocol/startup.ts';
import { ClientConnection } from '../../src/proxy/client-connection.ts';
import { readRequest } from '../../src/proxy/client-login.ts';
import { closeGently } from '../../src/proxy/linger.ts';
import { authenticateClient, type LocalAuthentication } from '../../src/proxy/local-auth.ts';
import { SocketReader } from '../../src/socket-reader.ts';
import { message, WELCOME } from './messages.ts';

export const SECRET = Buffer.alloc(32, 7);

interface ListenerOptions extends Omit<LocalAuthentication, 'user' | 'failureDelayMs'> {
  readonly failureDelayMs?: number;
  /** With it, every client must ask for TLS and gets it. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string };
}

/** A listener that authenticates its clients, and then answers every query with nothing. */
export interface LocalListener extends AsyncDisposable {
  readonly port: number;
  /** How each login ended, in order: undefined for those that got in. */
  readonly outcomes: readonly unknown[];
}

export async function startLocalListener(options: ListenerOptions): Promise<LocalListener> {
  const outcomes: unknown[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    void serve(socket, options, outcomes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    outcomes,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function serve(socket: Socket, options: ListenerOptions, outcomes: unknown[]): Promise<void> {
  const client = options.tls === undefined ? socket : await startTls(socket, options.tls);
  const connection = new ClientConnection(client);
  const { reader } = connection;
  const { signal } = new AbortController();
  let isIn = false;
  try {
    const request = await readRequest(connection, signal);
    if (request.kind !== 'startup') throw new Error(request.kind);
    const user = lastParameter(request.parameters, 'user')?.toString() ?? '';
    await authenticateClient(client, reader, { failureDelayMs: 0, ...options, user }, signal);
    isIn = true;
    outcomes.push(undefined);
    client.write(WELCOME);
    for (;;) client.write(emptyAnswerTo(await readMessage(reader, signal)));
  } catch (error) {
    if (!isIn) outcomes.push(error);
    await closeGently(client, encodeFatal(toProxyError(error)));
  }
}

async function startTls(socket: Socket, { certPem, keyPem }: { certPem: string; keyPem: string }) {
  const reader = new SocketReader(socket, 'client');
  await reader.read(8, new AbortController().signal);
  reader.detach();
  socket.write('S');
  const secureContext = createSecureContext({ cert: certPem, key: keyPem });
  const secure = new TLSSocket(socket, { isServer: true, secureContext });
  secure.on('error', () => {});
  return secure;
}

async function readMessage(reader: SocketReader, signal: AbortSignal): Promise<string> {
  const head = await reader.read(5, signal);
  await reader.read(head.readUInt32BE(1) - 4, signal);
  return String.fromCharCode(head[0] as number);
}

/** By message type: EmptyQueryResponse and ReadyForQuery, and what goes before. */
function emptyAnswerTo(type: string): Buffer {
  const answers: Record<string, Buffer[]> = {
    Q: [message('I'), message('Z', 'I')],
    P: [message('1')],
    B: [message('2')],
    D: [message('n')],
    E: [message('I')],
    S: [message('Z', 'I')],
  };
  return Buffer.concat(answers[type] ?? []);
}

/** Users by name with a plain password, or a verifier as PostgreSQL stores it. */
export async function localUsers(secrets: Readonly<Record<string, string>>): Promise<LocalUsers> {
  const verifiers = Object.entries(secrets).map(async ([user, secret]): Promise<[string, ScramVerifier]> => {
    const salt = Buffer.from(`salt of ${user}`);
    return [user, parseScramVerifier(secret) ?? (await deriveVerifier(Buffer.from(secret), salt))];
  });
  return new LocalUsers(new Map(await Promise.all(verifiers)), SECRET);
}
