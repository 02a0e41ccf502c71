import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';
import type { Target } from './target.ts';

/** Int32 length, Int32 80877103. @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** What a server's certificate is verified with; made once a process, as a client library could at best. */
const contexts = new Map<string, SecureContext>();

/** SSLRequest and TLS with a verified certificate, as libpq does for `sslmode=verify-full`. */
export async function startTls(
  tcp: Socket,
  { serverName, caPem }: NonNullable<Target['tls']>,
): Promise<Socket> {
  tcp.write(SSL_REQUEST);
  const [answer] = (await once(tcp, 'data')) as [Buffer];
  if (answer.toString('latin1') !== 'S') throw new Error('the server does not take TLS');
  tcp.removeAllListeners('data');
  let secureContext = contexts.get(caPem);
  if (secureContext === undefined) {
    secureContext = createSecureContext({ ca: caPem });
    contexts.set(caPem, secureContext);
  }
  const tls = tlsConnect({ socket: tcp, servername: serverName, secureContext });
  await once(tls, 'secureConnect');
  return tls;
}
