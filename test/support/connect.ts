import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeIdentifier } from 'pg';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { createTestFiles, type TestFiles } from './files.ts';
import { startTestServer } from './postgres.ts';
import { runProgram, startProgram } from './program.ts';
import { argumentsFor, type RunningProgram, startListening } from './running-program.ts';
import { TEST_ROLE } from './tokens.ts';

/** A name with what means something to some shell, URL, template or language. */
const AWKWARD = String.raw`it's "1%" {{x}} <%= #{z} $H a=b&c?d/e \f@g:ü`;

/** The same and a semicolon, which not every driver has a way for. */
const MORE_AWKWARD = `${AWKWARD};i`;

/** Of letters alone: it stands where the placeholder stood, in any language. */
export const PASSWORD = 'sesame';

/** A way to come to a proxy, and what `connect` says of it for each client. */
export interface Way {
  readonly name: string;
  /** By the client's name; undefined where the client cannot come that way. */
  readonly texts: ReadonlyMap<string, string | undefined>;
  /** What the server says of who has come where. */
  readonly answer: string;
}

/** Proxies in front of a real server, each of another kind. */
export interface ConnectBench extends AsyncDisposable {
  readonly files: TestFiles;
  readonly ways: readonly Way[];
  /** The one whose clients are told to use TLS. */
  readonly overTls: RunningProgram;
}

/** What the server is asked. */
export const WHO = "select current_user || ' in ' || current_database()";

export async function startConnectBench(): Promise<ConnectBench> {
  const files = await createTestFiles();
  const server = await startTestServer();
  for (const name of [AWKWARD, MORE_AWKWARD])
    await server.postgres.admin(`create database ${escapeIdentifier(name)}`);
  const base = await argumentsFor(server, files);
  const local = await localFlags(files);
  const directory = join(files.directory, "a socket's");
  await mkdir(directory);
  const only = ['--allow-users', AWKWARD];
  const socket = ['--unix-socket', directory, ...only];
  const inTheClear = await startListening([...base, ...only]);
  const onSocket = await startSocket([...base, ...socket]);
  const overTls = await startListening([...base, ...local]);
  const ask = async (name: string, database: string, flags: readonly string[]): Promise<Way> => {
    const args = ['connect', ...base.slice(1), ...flags, '--database', database, '--json'];
    return { name, texts: await textsOf(args), answer: `${TEST_ROLE} in ${database}` };
  };
  const port = ['--port', String(overTls.port)];
  const elsewhere = ['--address', '0.0.0.0', '--allow-remote-clients'];
  return {
    files,
    overTls,
    ways: [
      await ask('a port', MORE_AWKWARD, [...only, '--port', String(inTheClear.port)]),
      await ask('a Unix socket', AWKWARD, socket),
      await ask('a password and TLS', AWKWARD, [...local, ...port]),
      // What is said for other machines holds on this one too.
      await ask('a password and verified TLS', AWKWARD, [...local, ...port, ...elsewhere]),
    ],
    async [Symbol.asyncDispose]() {
      await Promise.all([inTheClear, onSocket, overTls].map((program) => program[Symbol.asyncDispose]()));
      await server.postgres.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

async function localFlags(files: TestFiles): Promise<string[]> {
  const authority = await createCertificateAuthority('a local authority');
  const { certPem, keyPem } = await authority.issue({ dnsNames: ['localhost'] });
  const cert = await files.write("the proxy's.crt", certPem + authority.certPem);
  const key = await files.write('proxy.key', keyPem);
  const user = AWKWARD.replaceAll('"', '""');
  const users = await files.write('users', `"${user}" "${PASSWORD}"\n`);
  const auth = ['--local-auth', 'scram-sha-256', '--local-users-file', users];
  return ['--local-tls-cert', cert, '--local-tls-key', key, ...auth];
}

async function startSocket(args: readonly string[]) {
  const program = startProgram(args);
  await program.find('listening');
  return program;
}

interface Said {
  readonly servers: readonly {
    readonly clients: readonly {
      readonly name: string;
      readonly text?: string;
      readonly unusable?: string;
    }[];
  }[];
}

async function textsOf(args: readonly string[]): Promise<Way['texts']> {
  const { code, stdout, stderr } = await runProgram(args);
  if (code !== 0) throw new Error(stderr);
  const { servers } = JSON.parse(stdout) as Said;
  const clients = servers.flatMap((server) => server.clients);
  return new Map(clients.map(({ name, text }) => [name, text?.replaceAll('YOUR-PASSWORD', PASSWORD)]));
}
