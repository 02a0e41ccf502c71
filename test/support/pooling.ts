import assert from 'node:assert/strict';
import pg from 'pg';
import { parseArgsStringToArgv } from 'string-argv';
import { createTestFiles, type TestFiles } from './files.ts';
import { type Block, blocksOf, readPage } from './guides.ts';
import { SERVER_NAME, startTestServer, type TestServer } from './postgres.ts';
import { type Program, startProgram } from './program.ts';

/** The block of docs/guides/pooling.md, or of another guide, in a language that says something, as it stands there. */
export function guideBlock(language: string, part: string, guide = 'pooling'): string {
  const blocks: readonly Block[] = blocksOf(readPage(`docs/guides/${guide}.md`));
  const found = blocks.filter((one) => one.language === language && one.text.includes(part));
  assert.equal(found.length, 1, `blocks of ${language} with ${part}`);
  return found[0]?.text ?? '';
}

export const WHO = 'select current_user, pg_backend_pid() as pid';

/** What it answers. */
export interface Who {
  readonly current_user: string;
  readonly pid: number;
}

/** The role that the guide's file names for one client user. */
export const GROUP_ROLE = 'Reporting Group';

/** A role with a PostgreSQL password of its own. */
export const NATIVE = { user: 'legacy', password: 'a password of its own' } as const;

/** A server for the guide's commands to lead to. */
export interface PoolingBench extends AsyncDisposable {
  readonly server: TestServer;
  readonly files: TestFiles;
  /**
   * Runs a command as the guide has it, and waits until it listens.
   *
   * @param upstreamPort - of the server; undefined where the command names it.
   */
  startProxy(command: string, upstreamPort?: number): Promise<Program>;
  /** Runs one to its end. */
  run(command: string): Promise<Program>;
}

export async function startPoolingBench(): Promise<PoolingBench> {
  const files = await createTestFiles();
  const server = await startTestServer(undefined, {
    hba: [`hostssl all ${NATIVE.user} 127.0.0.1/32 scram-sha-256`],
  });
  await server.postgres.admin(`
    create role "${GROUP_ROLE}" login password '${server.token}';
    create role ${NATIVE.user} login password '${NATIVE.password}'`);
  const environment = {
    PGEP_UPSTREAM_ADDRESS: '127.0.0.1',
    PGEP_SERVER_NAME: SERVER_NAME,
    PGEP_CA: await files.write('ca.pem', server.authority.certPem),
    PGEP_CREDENTIAL: 'token-file',
    PGEP_TOKEN_FILE: await files.write('token', server.token),
  };
  const start = (command: string, upstreamPort?: number): Program => {
    const [name, ...args] = parseArgsStringToArgv(command.trim());
    assert.equal(name, 'pg-entra-proxy');
    const port = upstreamPort === undefined ? {} : { PGEP_UPSTREAM_PORT: String(upstreamPort) };
    return startProgram(args, { ...environment, ...port });
  };
  return {
    server,
    files,
    async startProxy(command, upstreamPort) {
      const program = start(command, upstreamPort);
      await program.find('listening');
      return program;
    },
    async run(command) {
      const program = start(command);
      await program.exit;
      return program;
    },
    async [Symbol.asyncDispose]() {
      await server.postgres.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

/** A connected client, which hears of its end instead of failing on it. */
export async function connectTo(port: number, options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, database: 'app', ...options });
  client.on('error', () => {});
  await client.connect();
  return client;
}
