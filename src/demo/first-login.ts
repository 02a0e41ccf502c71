import { Client } from 'pg';

const CONNECT_TIMEOUT_MS = 30_000;

const QUESTION = `
  select current_user as role, version() as server,
    (select version from pg_stat_ssl where pid = pg_backend_pid()) as tls,
    (select rolvaliduntil from pg_roles where rolname = current_user) as expiry`;

/** What a session through the proxy finds on the server. */
export interface FirstLogin {
  /** What the client called itself. */
  readonly clientUser: string;
  /** Who it is on the server. */
  readonly role: string;
  /** Such as `PostgreSQL 18.4`. */
  readonly server: string;
  /** Such as `TLSv1.3`, of the connection between proxy and server. */
  readonly tls: string;
  /** When its token expires, as far as the server knows. */
  readonly expiry: Date;
}

interface Row {
  readonly role: string;
  readonly server: string;
  readonly tls: string | null;
  readonly expiry: Date;
}

/** Logs in through the proxy as an old, simple client does: any user name, no password, no TLS. */
export async function logInThrough(host: string, port: number, database: string): Promise<FirstLogin> {
  const clientUser = 'anyone';
  const client = new Client({
    host,
    port,
    database,
    user: clientUser,
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // A failure rejects what is awaited below; the event alone would end this process.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<Row>(QUESTION);
    const [row] = rows;
    if (row === undefined) throw new Error('the server gave no row');
    const server = row.server.split(' ').slice(0, 2).join(' ');
    return { ...row, clientUser, server, tls: row.tls ?? 'none' };
  } finally {
    await client.end();
  }
}
