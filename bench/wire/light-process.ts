/** The light server, in a process of its own: TLS, the login with a cleartext password, and one answer to every query. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { LOOPBACK } from '../../src/demo/loopback.ts';
import { encodeMessage } from './message.ts';

export interface LightServerSetup {
  readonly port: number;
  readonly certPem: string;
  readonly keyPem: string;
}

const ASK_PASSWORD = encodeMessage('R', int32(3));
const READY = encodeMessage('Z', 'I');

/** PgBouncer wants to know these before it lets a client in. */
const PARAMETERS = {
  server_version: '15.0',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  standard_conforming_strings: 'on',
  integer_datetimes: 'on',
};

const WELCOME = Buffer.concat([
  encodeMessage('R', int32(0)),
  ...Object.entries(PARAMETERS).map(([name, value]) => encodeMessage('S', `${name}\0${value}\0`)),
  encodeMessage('K', Buffer.concat([int32(1), int32(1)])),
  READY,
]);

const ANSWER = Buffer.concat([encodeMessage('C', 'SELECT 0\0'), READY]);

const PASSWORD = 0x70;
const QUERY = 0x51;
const TERMINATE = 0x58;

function serve(tcp: Socket, secureContext: SecureContext): void {
  tcp.setNoDelay(true);
  tcp.on('error', () => tcp.destroy());
  // SSLRequest, of 8 bytes in one packet; this is no server for strangers.
  tcp.once('data', () => {
    tcp.write('S');
    const tls = new TLSSocket(tcp, { isServer: true, secureContext });
    tls.on('error', () => tcp.destroy());
    tls.on('end', () => tls.end());
    let pending: Buffer = Buffer.alloc(0);
    let hasStarted = false;
    tls.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      if (!hasStarted) {
        // StartupMessage: Int32 length of all of it, and no type.
        if (pending.length < 4 || pending.length < pending.readUInt32BE(0)) return;
        pending = pending.subarray(pending.readUInt32BE(0));
        hasStarted = true;
        tls.write(ASK_PASSWORD);
      }
      while (pending.length >= 5 && pending.length > pending.readUInt32BE(1)) {
        answer(tls, pending[0]);
        pending = pending.subarray(1 + pending.readUInt32BE(1));
      }
    });
  });
}

function answer(socket: Socket, type: number | undefined): void {
  if (type === PASSWORD) socket.write(WELCOME);
  if (type === QUERY) socket.write(ANSWER);
  if (type === TERMINATE) socket.end();
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

async function main({ port, certPem, keyPem }: LightServerSetup): Promise<void> {
  const secureContext = createSecureContext({ cert: certPem, key: keyPem });
  const server = createServer((socket) => serve(socket, secureContext));
  server.listen({ port, host: LOOPBACK, backlog: 1024 });
  await once(server, 'listening');
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
}

process.on('disconnect', () => process.exit());
process.once('message', (setup: LightServerSetup) => void main(setup));
