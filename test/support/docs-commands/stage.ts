import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { createCertificateAuthority } from '../../../src/demo/certificates.ts';
import { type DemoPostgres, startPostgres } from '../../../src/demo/postgres.ts';
import { createTestFiles, type TestFiles } from '../files.ts';
import { startImds } from '../imds.ts';
import type { Page } from '../markdown-pages.ts';
import { MAIN } from '../program.ts';
import { createTestToken, TEST_ROLE } from '../tokens.ts';
import { prepareMachine, readPrelude, substitutions } from './machine.ts';
import { findPorts } from './ports.ts';
import { scriptOf } from './script.ts';

/** The servers that the documentation names, as the program completes them. */
const SERVERS = ['myserver', 'orders', 'reports'].map((name) => `${name}.postgres.database.azure.com`);

/** The machine that the documentation names, as its managed identity's tokens do. */
const MACHINE =
  '/subscriptions/99999999-0000-4000-8000-000000000000/resourcegroups/my-group/providers/Microsoft.Compute/virtualMachines/my-vm';

const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;

/** How long all commands may take, in milliseconds. */
const TIMEOUT_MS = 120_000;

const ROOM_LENGTH = 8;

/** How a page's commands went. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a page's commands are run: with a real server, and stand-ins for what is Azure's and the machine's. */
export interface Stage extends AsyncDisposable {
  /** Runs all commands of these pages, up to the first that fails. Once only. */
  run(pages: readonly Page[]): Promise<Outcome>;
}

export async function startStage(): Promise<Stage> {
  const files = await createTestFiles();
  prepareMachine(files.directory);
  const postgres = await startServer(files);
  const token = createTestToken({ upn: undefined, idtyp: 'app', xms_mirid: MACHINE });
  const admin = createTestToken();
  await prepareServer(postgres, admin, token);
  await files.write('az-token.json', JSON.stringify({ accessToken: admin, expires_on: inAnHour() }));
  return {
    run: (pages) => runPages(pages, files, postgres, token),
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

async function startServer(files: TestFiles): Promise<DemoPostgres> {
  const authority = await createCertificateAuthority('the documentation');
  await files.write('ca.pem', authority.certPem);
  return startPostgres(await authority.issue({ dnsNames: SERVERS }));
}

/**
 * Makes the Entra administrator, the database `app`, and what makes roles on Azure.
 *
 * @param token - what the roles that are made log in with.
 */
async function prepareServer(postgres: DemoPostgres, adminToken: string, token: string): Promise<void> {
  const admin = escapeIdentifier(TEST_ROLE);
  await postgres.admin(`create role ${admin} login createrole password ${escapeLiteral(adminToken)}`);
  await postgres.admin(`create database app owner ${admin}`);
  const create = `format('create role %I login password %L', role, ${escapeLiteral(token)})`;
  await postgres.admin(`
    create function pgaadauth_create_principal(role text, is_admin boolean, is_mfa boolean) returns text
    language plpgsql security definer
    as $$ begin execute ${create}; return format('Created role for %I', role); end $$`);
}

function inAnHour(): number {
  return Math.floor(Date.now() / 1000) + 3_600;
}

async function runPages(
  pages: readonly Page[],
  files: TestFiles,
  postgres: DemoPostgres,
  token: string,
): Promise<Outcome> {
  const { directory } = files;
  const said = pages.map(({ text }) => text).join('\n');
  const clientIds = said.match(UUID) ?? [];
  await using imds = await startImds({ issueToken: async () => token, clientIds });
  const port = await findPorts(ROOM_LENGTH);
  const script = pages.map((page) => scriptOf(page, substitutions(directory, port))).join('\n');
  const path = await files.write('script.bash', `${readPrelude()}\n${script}\n`);
  // Where a page does not say when, somebody has done so before.
  if (!said.includes('\naz login\n')) await files.write('az-login', '');
  return await runBash(path, join(directory, 'home'), {
    ...imds.env,
    AZURE_TOKEN_CREDENTIALS: 'dev',
    PGEP_UPSTREAM_ADDRESS: postgres.host,
    PGEP_UPSTREAM_PORT: String(postgres.port),
    PGEP_CA: join(directory, 'ca.pem'),
    PATH: join(directory, 'bin'),
    HOME: join(directory, 'home'),
    LANG: 'C.UTF-8',
    STAGE: directory,
    STAGE_PORT: String(port),
    STAGE_NODE: process.execPath,
    STAGE_MAIN: MAIN,
  });
}

async function runBash(script: string, cwd: string, env: Record<string, string>): Promise<Outcome> {
  const child = spawn('/bin/bash', [script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  // With all that it has started.
  const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), TIMEOUT_MS);
  const [stdout, stderr, [status]] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  clearTimeout(timer);
  return { status, stdout, stderr };
}
