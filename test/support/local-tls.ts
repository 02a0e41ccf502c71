import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import {
  type Authority,
  type CertificateRequest,
  createCertificateAuthority,
} from '../../src/demo/certificates.ts';
import type { CertificateFiles } from '../../src/local/certificate-files.ts';
import { LocalTls } from '../../src/proxy/local-tls.ts';
import { createTestFiles, type TestFiles } from './files.ts';
import { createMemoryLog, type MemoryLog } from './log.ts';
import { SSL_REQUEST } from './messages.ts';

/** The proxy's own certificate, for "localhost" alone, in files of a test's own. */
export interface LocalCertificateFiles extends CertificateFiles, AsyncDisposable {
  readonly files: TestFiles;
  readonly authority: Authority;
  /** The file with the CA. */
  readonly caFile: string;
  /** Looks at the files at every handshake. */
  readonly tls: LocalTls;
  /** What it has to say. */
  readonly log: MemoryLog;
  /** Puts another certificate in the place of the one that is there, as tools do that renew them. */
  renew(request?: CertificateRequest): Promise<void>;
}

export async function createLocalTls(): Promise<LocalCertificateFiles> {
  const files = await createTestFiles();
  const authority = await createCertificateAuthority('local TLS tests');
  const { certPem, keyPem } = await authority.issue({ dnsNames: ['localhost'] });
  const certFile = await files.write('server.crt', certPem);
  const keyFile = await files.write('server.key', keyPem);
  const caFile = await files.write('ca.crt', authority.certPem);
  const log = createMemoryLog();
  const tls = await LocalTls.load({ certFile, keyFile }, log.log, { checkIntervalMs: 0 });
  return {
    files,
    authority,
    certFile,
    keyFile,
    caFile,
    tls,
    log,
    async renew(request = { dnsNames: ['localhost'] }) {
      const next = await authority.issue(request);
      await rename(await files.write('next.crt', next.certPem), certFile);
      await rename(await files.write('next.key', next.keyPem), keyFile);
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

/** Asks for TLS as libpq does, and gets it. */
export async function requestTls(tcp: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  tcp.on('error', () => {}).write(SSL_REQUEST);
  const [answer] = (await once(tcp, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'S');
  return directTls(tcp, options);
}

/** Begins with TLS, as libpq does for sslnegotiation=direct. */
export async function directTls(tcp: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  tcp.on('error', () => {});
  const socket = connectTls({ socket: tcp, servername: 'localhost', ...options });
  await once(socket, 'secureConnect');
  return socket.on('error', () => {});
}
