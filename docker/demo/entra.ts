/**
 * The stand-in for Microsoft Entra as a container of its own. Each token that it issues becomes the role's
 * password: PostgreSQL accepts that one, until it expires.
 *
 * Usage: node entra.ts DIRECTORY; the superuser's connection is that of PGHOST and PGPORT.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { startEntra } from '../../src/demo/entra.ts';

const LIFETIME_SECONDS = 300;

const [, , directory = ''] = process.argv;
const { AUTHORITY_HOST = '', TENANT_ID = '', CLIENT_ID = '', ROLE = '', ADDRESS } = process.env;
const { hostname, port } = new URL(AUTHORITY_HOST);

const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
const database = new Client({ user: 'postgres', database: 'postgres' });
database.on('error', (error) => {
  throw error;
});
await database.connect();
const { rowCount } = await database.query('select from pg_roles where rolname = $1', [ROLE]);
if (rowCount === 0) await database.query(`create role ${escapeIdentifier(ROLE)} login`);

const entra = await startEntra({
  certPem: await read('server.crt'),
  keyPem: await read('server.key'),
  tenantId: TENANT_ID,
  clientId: CLIENT_ID,
  clientSecret: await read('secret'),
  lifetimeSeconds: LIFETIME_SECONDS,
  hostName: hostname,
  port: Number(port),
  ...(ADDRESS === undefined ? {} : { address: ADDRESS }),
  onMint: async (token, expiresAt) => {
    const password = `password ${escapeLiteral(token)} valid until ${escapeLiteral(expiresAt.toISOString())}`;
    await database.query(`alter role ${escapeIdentifier(ROLE)} ${password}`);
    say(`issued a token for ${ROLE}, valid until ${expiresAt.toISOString()}`);
  },
});
say(`listens as ${entra.authorityHost}`);

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    void Promise.all([entra.close(), database.end()]);
  });

function say(what: string): void {
  process.stdout.write(`the stand-in for Entra ${what}\n`);
}
