import assert from 'node:assert/strict';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';
import { type DemoEntra, type EntraOptions, startEntra } from '../../src/demo/entra.ts';
import { createTestFiles, type TestFiles } from './files.ts';
import { SERVER_NAME, startTestServer, type TestServer } from './postgres.ts';
import { type Program, startProgram } from './program.ts';
import { connectPg } from './proxy.ts';
import { createTestToken } from './tokens.ts';

export const TENANT_ID = '11111111-2222-4333-8444-555555555555';
export const CLIENT_ID = '66666666-7777-4888-9999-aaaaaaaaaaaa';
const CLIENT_SECRET = 'secret~of~the~application';

/** What the stand-in for Entra knows, for the environment of the program. */
export const APPLICATION = {
  AZURE_TENANT_ID: TENANT_ID,
  AZURE_CLIENT_ID: CLIENT_ID,
  AZURE_CLIENT_SECRET: CLIENT_SECRET,
} as const;

type Environment = Readonly<Record<string, string>>;

/** The program itself, in front of a real server. Its end fails if it has let out a secret. */
export interface CredentialProxy extends AsyncDisposable {
  readonly program: Program;
  readonly port: number;
  /** Logs in as any client does, and asks the server for the role. */
  whoAmI(): Promise<string>;
  /** Whether that works. */
  letsIn(): Promise<boolean>;
}

/** A real server, and what credentials need to get tokens for it. */
export interface CredentialBench extends AsyncDisposable {
  readonly server: TestServer;
  readonly files: TestFiles;
  /** The path of the CA that the server's certificate is from. */
  readonly serverCa: string;
  /** A token that the server accepts from now on, and no other. */
  issueToken(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Keeps a token secret from now on, whether any server accepts it or not. */
  keepSecret(token: string): string;
  /** Starts a stand-in for Entra whose every new token is the only one that the server accepts. */
  startEntra(options?: Partial<EntraOptions>): Promise<DemoEntra>;
  /** Starts the program at its most talkative, as soon as it listens. */
  startProxy(args: readonly string[], env?: Environment): Promise<CredentialProxy>;
}

export async function startCredentialBench(): Promise<CredentialBench> {
  const files = await createTestFiles();
  const server = await startTestServer();
  const entraAuthority = await createCertificateAuthority('a stand-in for Entra');
  const entraCertificate = await entraAuthority.issue({ ipAddresses: ['127.0.0.1'] });
  const serverCa = await files.write('server-ca.pem', server.authority.certPem);
  const entraCa = await files.write('entra-ca.pem', entraAuthority.certPem);
  const tokens = new Set<string>([server.token]);
  const keepSecret = (token: string): string => {
    tokens.add(token);
    return token;
  };
  const upstream = [SERVER_NAME, '--upstream-address', '127.0.0.1', '--ca', serverCa];
  const output = ['--port', '0', '--log-level', 'trace'];
  return {
    server,
    files,
    serverCa,
    keepSecret,
    async issueToken(claims) {
      const token = keepSecret(createTestToken(claims));
      await server.acceptToken(token);
      return token;
    },
    startEntra: (options) =>
      startEntra({
        ...entraCertificate,
        tenantId: TENANT_ID,
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        lifetimeSeconds: 3_600,
        onMint: (token) => server.acceptToken(keepSecret(token)),
        ...options,
      }),
    async startProxy(args, env = {}) {
      const port = ['--upstream-port', String(server.postgres.port)];
      const program = startProgram([...upstream, ...port, ...output, ...args], {
        NODE_EXTRA_CA_CERTS: entraCa,
        AZURE_LOG_LEVEL: 'verbose',
        ...env,
      });
      const proxy = await listening(program);
      return {
        ...proxy,
        async [Symbol.asyncDispose]() {
          await program[Symbol.asyncDispose]();
          assertSecretsKept(program.stdout + program.stderr, tokens);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await server.postgres.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

async function listening(program: Program): Promise<Omit<CredentialProxy, keyof AsyncDisposable>> {
  try {
    const port = Number((await program.find('listening'))['port']);
    const letsIn = (): Promise<boolean> =>
      whoAmI(port).then(
        () => true,
        () => false,
      );
    return { program, port, whoAmI: () => whoAmI(port), letsIn };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

async function whoAmI(port: number): Promise<string> {
  await using connection = await connectPg(port);
  const { rows } = await connection.client.query<{ current_user: string }>('select current_user');
  return rows[0]?.current_user ?? 'nobody';
}

/** Fails if an output holds a token, or the beginning or end of one of its parts, or the client secret. */
function assertSecretsKept(output: string, tokens: ReadonlySet<string>): void {
  assert.doesNotMatch(output, /eyJ[\w-]{8}/, 'a token is in the output');
  const parts = [...tokens].flatMap((token) => token.split('.'));
  const traces = parts.flatMap((part) => [part.slice(0, 24), part.slice(-24)]);
  const leaked = [...traces, CLIENT_SECRET].filter((trace) => trace !== '' && output.includes(trace));
  assert.deepEqual(leaked, [], 'a secret is in the output');
}

/** What points the program at a stand-in. */
export function entraFlags(entra: DemoEntra): string[] {
  return ['--authority-host', entra.authorityHost, '--disable-instance-discovery'];
}
