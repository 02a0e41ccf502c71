import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientConfig, escapeLiteral } from 'pg';
import { createCertificateAuthority } from '../src/demo/certificates.ts';
import { type DemoEntra, startEntra } from '../src/demo/entra.ts';
import { startPostgres } from '../src/demo/postgres.ts';
import { createNameService, ENTRA_NAME, type NameService } from '../test/support/faults.ts';
import { type Program, startProgram } from '../test/support/program.ts';
import { connectPg } from '../test/support/proxy.ts';

const SERVER_NAME = 'bench.postgres.database.azure.com';
const ROLE = 'bench_role';

/** More than PostgreSQL's own default: 200 sessions come at once. */
const MAX_CONNECTIONS = 300;

/** What `/status` says of tokens. */
interface ProgramStatus {
  readonly identities: readonly { readonly tokenExpiresAt: string }[];
}

export interface TokenStandOptions {
  readonly lifetimeSeconds: number;
  readonly refreshInSeconds?: number;
}

/** The program itself, with a real PostgreSQL behind it and a stand-in for Entra beside it. */
export interface TokenStand extends AsyncDisposable {
  readonly entra: DemoEntra;
  readonly dns: NameService;
  readonly program: Program;
  readonly port: number;
  /** The last token that was made: from when and until when it is good. */
  readonly issued: { readonly at: number; readonly expiresAt: number };
  /** How many were made. */
  readonly minted: number;
  /** Whether the program has the last token: the answer that brought it may have been lost on the way. */
  holdsLastToken(): Promise<boolean>;
  /** Logs in, asks who that is, and leaves. */
  logIn(options?: ClientConfig): Promise<void>;
}

export async function startTokenStand(options: TokenStandOptions): Promise<TokenStand> {
  await using stack = new AsyncDisposableStack();
  const authority = await createCertificateAuthority('pg-entra-proxy bench');
  const serverCertificate = await authority.issue({ dnsNames: [SERVER_NAME] });
  const settings = { max_connections: String(MAX_CONNECTIONS) };
  const postgres = stack.use(await startPostgres({ ...serverCertificate, settings }));
  await postgres.admin(`create role ${ROLE} login`);
  await postgres.admin('create database app');
  let issued = { at: 0, expiresAt: 0 };
  let minted = 0;
  const application = {
    tenantId: randomUUID(),
    clientId: randomUUID(),
    clientSecret: randomBytes(20).toString('hex'),
  };
  const entra = stack.use(
    await startEntra({
      ...(await authority.issue({ dnsNames: [ENTRA_NAME] })),
      ...application,
      ...options,
      hostName: ENTRA_NAME,
      async onMint(token, expiresAt) {
        const until = escapeLiteral(expiresAt.toISOString());
        await postgres.admin(`alter role ${ROLE} password ${escapeLiteral(token)} valid until ${until}`);
        minted += 1;
        issued = { at: Date.now(), expiresAt: expiresAt.getTime() };
      },
    }),
  );
  const dns = await createNameService(postgres.tempDir);
  const ca = join(postgres.tempDir, 'ca.pem');
  await writeFile(ca, authority.certPem);
  const upstream = [SERVER_NAME, '--upstream-address', '127.0.0.1', '--upstream-port', String(postgres.port)];
  const identity = ['--credential', 'environment', '--authority-host', entra.authorityHost, '--user', ROLE];
  const program = stack.use(
    startProgram(
      [
        ...upstream,
        '--ca',
        ca,
        '--port',
        '0',
        '--admin-port',
        '0',
        ...identity,
        '--disable-instance-discovery',
      ],
      {
        ...dns.env,
        NODE_EXTRA_CA_CERTS: ca,
        AZURE_TENANT_ID: application.tenantId,
        AZURE_CLIENT_ID: application.clientId,
        AZURE_CLIENT_SECRET: application.clientSecret,
      },
    ),
  );
  const port = Number((await program.find('listening'))['port']);
  const admin = `http://127.0.0.1:${String((await program.find('admin-listening'))['port'])}`;
  const owned = stack.move();
  return {
    entra,
    dns,
    program,
    port,
    get issued() {
      return issued;
    },
    get minted() {
      return minted;
    },
    async holdsLastToken() {
      const { identities } = (await (await fetch(`${admin}/status`)).json()) as ProgramStatus;
      return identities.some(
        ({ tokenExpiresAt }) => Math.abs(Date.parse(tokenExpiresAt) - issued.expiresAt) < 1_000,
      );
    },
    async logIn(client) {
      await using connection = await connectPg(port, client);
      await connection.client.query('select current_user');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
