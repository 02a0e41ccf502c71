/**
 * Makes what the parts of docker/compose.yml need of each other: certificates of an authority whose key is
 * nowhere, and the secret of an application. Each part has a directory that is its user's alone.
 *
 * Usage: node setup.ts DIRECTORY
 */
import { randomBytes } from 'node:crypto';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCertificateAuthority } from '../../src/demo/certificates.ts';

/** The users that the images run as. */
const POSTGRES_UID = 999;
const NODE_UID = 1000;
const PROXY_UID = 65_532;

const [, , directory] = process.argv;
if (directory === undefined) throw new Error('which directory?');

const authority = await createCertificateAuthority('pg-entra-proxy demo');
const server = await authority.issue({ dnsNames: ['demo.postgres.database.azure.com'] });
const entra = await authority.issue({ dnsNames: ['entra'], ipAddresses: ['127.0.0.1'] });
const secret = randomBytes(24).toString('base64url');

await write('postgres', POSTGRES_UID, {
  'server.crt': server.certPem,
  'server.key': server.keyPem,
  // The image wants one to be set; nobody can log in with it.
  password: randomBytes(24).toString('base64url'),
  // As Azure does: a token as a password in the clear inside TLS, and nothing without TLS.
  'pg_hba.conf': [
    'local all postgres trust',
    'host all postgres all reject',
    'hostssl all all all password',
    '',
  ].join('\n'),
});
await write('entra', NODE_UID, { 'server.crt': entra.certPem, 'server.key': entra.keyPem, secret });
await write('proxy', PROXY_UID, { 'ca.crt': authority.certPem, secret });

async function write(part: string, uid: number, files: Readonly<Record<string, string>>): Promise<void> {
  const path = join(directory ?? '', part);
  await mkdir(path, { recursive: true, mode: 0o700 });
  await Promise.all(
    Object.entries(files).map(async ([name, content]) => {
      await writeFile(join(path, name), content, { mode: 0o600 });
      await give(join(path, name), uid);
    }),
  );
  await give(path, uid);
}

/** Outside a container, whoever runs this keeps what it makes. */
async function give(path: string, uid: number): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, uid);
}
