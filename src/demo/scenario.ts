import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { type Authority, createCertificateAuthority } from './certificates.ts';
import { type DemoEntra, startEntra } from './entra.ts';
import { logInThrough } from './first-login.ts';
import { LOOPBACK } from './loopback.ts';
import { type DemoPostgres, startPostgres } from './postgres.ts';
import { type ProxyProcess, startProxyProcess } from './proxy-process.ts';

const SERVER_NAME = 'demo.postgres.database.azure.com';
const ROLE = 'demo-app';
const DATABASE = 'demo';

/** Settings of whoever runs the demo that would make the proxy do something else. */
const FOREIGN_SETTING = /^(?:PGEP_.*|AZURE_.*|(?:https?|all|no)_proxy)$/iu;

export interface ScenarioOptions {
  /** Ends after the first query, rather than at the signal. */
  readonly once: boolean;
  /** Where the proxy listens; 0: a free port. */
  readonly port: string;
  /** Of the tokens. */
  readonly lifetimeSeconds: number;
  /** The program's main file. */
  readonly mainPath: string;
  /** Tells the user a line. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The identity that the proxy logs in with. */
interface Application {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * Plays the whole story on this machine: a PostgreSQL with TLS, a stand-in for Entra, the proxy,
 * and a client without a password. All that it started has ended when it returns or throws.
 */
export async function playScenario(options: ScenarioOptions): Promise<void> {
  const { say, signal } = options;
  say('Starting PostgreSQL, a stand-in for Microsoft Entra, and the proxy ...');
  const authority = await createCertificateAuthority('pg-entra-proxy demo');
  await using postgres = await startDatabase(authority);
  signal.throwIfAborted();
  say(
    `PostgreSQL ${postgres.version} listens on ${LOOPBACK}:${postgres.port}, with a certificate for ${SERVER_NAME}.`,
  );

  const application = newApplication();
  await using entra = await startDirectory(authority, application, postgres, options);
  say(`The stand-in for Entra listens on ${entra.authorityHost}.`);

  await using proxy = await startProxy(authority, application, postgres, entra, options);
  signal.throwIfAborted();
  say(`The proxy listens on ${proxy.address}:${proxy.port}.`);

  await reportFirstLogin(proxy, say);
  if (options.once) return;

  say(`\nNow connect yourself:\n\n  psql "host=${proxy.address} port=${proxy.port} dbname=${DATABASE}"\n`);
  say(`Tokens live ${inWords(options.lifetimeSeconds)} and are renewed meanwhile. Ctrl-C ends everything.\n`);
  await untilStopped(proxy, signal);
  say('Stopping.');
}

async function startDatabase(authority: Authority): Promise<DemoPostgres> {
  const postgres = await startPostgres(await authority.issue({ dnsNames: [SERVER_NAME] }));
  try {
    await postgres.admin(`create role ${escapeIdentifier(ROLE)} login`);
    await postgres.admin(`create database ${escapeIdentifier(DATABASE)} owner ${escapeIdentifier(ROLE)}`);
    return postgres;
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** Each token it mints becomes the role's password: PostgreSQL accepts that one, until it expires. */
async function startDirectory(
  authority: Authority,
  application: Application,
  postgres: DemoPostgres,
  { lifetimeSeconds, say }: ScenarioOptions,
): Promise<DemoEntra> {
  const certificate = await authority.issue({ ipAddresses: [LOOPBACK] });
  const onMint = async (token: string, expiresAt: Date): Promise<void> => {
    const password = `password ${escapeLiteral(token)} valid until ${escapeLiteral(expiresAt.toISOString())}`;
    await postgres.admin(`alter role ${escapeIdentifier(ROLE)} ${password}`);
    say(`${clock(new Date())}  Entra issued a token, valid until ${clock(expiresAt)}.`);
  };
  return startEntra({ ...certificate, ...application, lifetimeSeconds, onMint });
}

async function startProxy(
  authority: Authority,
  { tenantId, clientId, clientSecret }: Application,
  postgres: DemoPostgres,
  entra: DemoEntra,
  { mainPath, port, say }: ScenarioOptions,
): Promise<ProxyProcess> {
  const caFile = join(postgres.tempDir, 'ca.crt');
  await writeFile(caFile, authority.certPem);
  const upstream = ['--upstream-address', LOOPBACK, '--upstream-port', String(postgres.port), '--ca', caFile];
  const identity = ['--credential', 'environment', '--authority-host', entra.authorityHost];
  identity.push('--disable-instance-discovery', '--user', ROLE);
  return startProxyProcess({
    mainPath,
    args: ['run', SERVER_NAME, ...upstream, ...identity, '--port', port, '--log-format', 'json'],
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN_SETTING.test(name))),
      AZURE_TENANT_ID: tenantId,
      AZURE_CLIENT_ID: clientId,
      AZURE_CLIENT_SECRET: clientSecret,
      NODE_EXTRA_CA_CERTS: caFile,
    },
    onMessage: (message) => say(`${clock(new Date())}  ${message}`),
  });
}

async function reportFirstLogin(proxy: ProxyProcess, say: (line: string) => void): Promise<void> {
  const login = await logInThrough(proxy.address, proxy.port, DATABASE);
  say(`\nA client came as "${login.clientUser}", sent no password, and is logged in:`);
  say(`  role    ${login.role}`);
  say(`  server  ${login.server}`);
  say(`  TLS     ${login.tls}, between the proxy and the server`);
  say(`  token   valid until ${clock(login.expiry)}`);
}

/** Waits for the signal, or for the proxy's end; a terminal's Ctrl-C reaches the proxy as well as us. */
async function untilStopped(proxy: ProxyProcess, signal: AbortSignal): Promise<void> {
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort').then(() => undefined);
  const exit = await Promise.race([aborted, proxy.closed]);
  if (exit && exit.code !== 0) throw new Error(`the proxy ended (${exit.reason})`);
}

function newApplication(): Application {
  const clientSecret = randomBytes(24).toString('base64url');
  return { tenantId: randomUUID(), clientId: randomUUID(), clientSecret };
}

function clock(time: Date): string {
  return time.toTimeString().slice(0, 8);
}

function inWords(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} seconds`;
}
