import { existsSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type Authority, createCertificateAuthority } from '../../src/demo/certificates.ts';
import { type DemoPostgres, startPostgres } from '../../src/demo/postgres.ts';
import { createTestToken, TEST_ROLE } from './tokens.ts';

export const SERVER_NAME = 'test.postgres.database.azure.com';

/** A real PostgreSQL whose role {@link TEST_ROLE} has `token` for its password. */
export interface TestServer {
  readonly postgres: DemoPostgres;
  readonly authority: Authority;
  readonly token: string;
  /** Makes the server accept this token for the role from now on, and no other. */
  acceptToken(token: string): Promise<void>;
}

const DEBIAN_15 = '/usr/lib/postgresql/15/bin';

const INSTALLED: readonly { readonly name: string; readonly binDir?: string }[] = [
  { name: 'PostgreSQL 18' },
  ...(existsSync(DEBIAN_15) ? [{ name: 'PostgreSQL 15', binDir: DEBIAN_15 }] : []),
];

interface TestServerOptions {
  /** Lines of pg_hba.conf to stand before the usual ones. */
  readonly hba?: readonly string[];
  /** When the server's certificate ends; default: in 30 days. */
  readonly notAfter?: Date;
}

/** Declares the same tests for every PostgreSQL that this machine has. */
export function onEachServer(
  declareTests: (server: () => TestServer) => void,
  options: TestServerOptions = {},
): void {
  for (const { name, binDir } of INSTALLED) {
    describe(name, () => {
      let server: TestServer | undefined;
      before(async () => {
        server = await startTestServer(binDir, options);
      });
      after(() => server?.postgres.stop());
      declareTests(() => {
        if (server === undefined) throw new Error(`${name} did not start`);
        return server;
      });
    });
  }
}

export async function startTestServer(binDir?: string, options: TestServerOptions = {}): Promise<TestServer> {
  const authority = await createCertificateAuthority('pg-entra-proxy tests');
  const { notAfter, ...rest } = options;
  const certificate = await authority.issue({ dnsNames: [SERVER_NAME], ...(notAfter && { notAfter }) });
  const postgres = await startPostgres({
    ...certificate,
    ...rest,
    ...(binDir === undefined ? {} : { binDir }),
  });
  const role = escapeIdentifier(TEST_ROLE);
  const token = createTestToken();
  const acceptToken = async (value: string): Promise<void> => {
    await postgres.admin(`alter role ${role} password ${escapeLiteral(value)}`);
  };
  await postgres.admin(`create role ${role} login replication`);
  await postgres.admin(`create database app owner ${role}`);
  await acceptToken(token);
  return { postgres, authority, token, acceptToken };
}
