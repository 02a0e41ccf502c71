import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import tls from 'node:tls';
import { createCertificateAuthority } from '../src/demo/certificates.ts';
import { startEntra } from '../src/demo/entra.ts';
import { createTokenSource } from '../src/identity/credentials.ts';
import { TokenCache } from '../src/identity/token-cache.ts';
import { until } from '../test/support/wait.ts';
import { startTokenStand, type TokenStand } from './token-stand.ts';

const CALLS = 10_000;
const COLD_SESSIONS = 200;
const WINDOW_MS = 60_000;

type Say = (line: string) => void;

/** Measures what a token costs a login: warm, cold, and while the endpoint hangs. */
export async function printFigures(say: Say): Promise<void> {
  await printWarmCalls(say);
  await printColdSessions(say);
  await printHang(say);
}

/** The cache over the real library, in this process. */
async function printWarmCalls(say: Say): Promise<void> {
  const authority = await createCertificateAuthority('pg-entra-proxy bench');
  tls.setDefaultCACertificates([authority.certPem]);
  const certificate = await authority.issue({ ipAddresses: ['127.0.0.1'] });
  const tenantId = randomUUID();
  await using entra = await startEntra({ ...certificate, tenantId, lifetimeSeconds: 3_600 });
  const application = { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: randomUUID(), AZURE_CLIENT_SECRET: 'x' };
  Object.assign(process.env, application);
  const source = createTokenSource({
    credential: 'environment',
    scope: 'https://ossrdbms-aad.database.windows.net/.default',
    managementScope: 'https://management.azure.com/.default',
    authorityHost: entra.authorityHost,
    disableInstanceDiscovery: true,
    tellUser: () => {},
    onChosen: () => {},
  });
  const cache = new TokenCache(source, { fetchTimeoutMs: 30_000 });
  await cache.getToken();
  const times: number[] = [];
  for (let call = 0; call < CALLS; call += 1) {
    const start = performance.now();
    await cache.getToken();
    times.push((performance.now() - start) * 1_000);
  }
  cache.close();
  say(`getToken() with a warm token, ${CALLS} calls: ${percentiles(times, 'µs')}`);
}

async function printColdSessions(say: Say): Promise<void> {
  await using stand = await startTokenStand({ lifetimeSeconds: 3_600 });
  await logInCold(stand, COLD_SESSIONS);
  say(`${COLD_SESSIONS} sessions before the first token: ${stand.entra.requests} token request(s)`);
}

/** Logs in with many clients that have all come before the first token. */
export async function logInCold(stand: TokenStand, count: number): Promise<void> {
  const hold = Promise.withResolvers<'normal'>();
  stand.entra.behave = () => hold.promise;
  let arrived = 0;
  const stream = (): Socket => new Socket().once('connect', () => (arrived += 1));
  const logins = Array.from({ length: count }, () => stand.logIn({ stream }));
  await until('all clients to arrive', () => arrived === count);
  hold.resolve('normal');
  await Promise.all(logins);
}

async function printHang(say: Say): Promise<void> {
  await using stand = await startTokenStand({ lifetimeSeconds: 3_600, refreshInSeconds: 5 });
  await stand.logIn();
  const calm = await logInFor(WINDOW_MS, () => stand.logIn());
  let hanging = 0;
  stand.entra.behave = () => {
    hanging += 1;
    return 'handled';
  };
  await until('a request that hangs', () => hanging > 0);
  const hang = await logInFor(WINDOW_MS, () => stand.logIn());
  say(`logins in ${WINDOW_MS / 1_000} s without a fault: ${calm.length}, ${percentiles(calm, 'ms')}`);
  say(`logins in ${WINDOW_MS / 1_000} s of a hanging endpoint: ${hang.length}, ${percentiles(hang, 'ms')}`);
  const lines = stand.program.stderr.split('\n').filter((line) => line.includes('"loginMs"'));
  const tokenMs = lines.map((line) => (JSON.parse(line) as { loginMs: { token: number } }).loginMs.token);
  say(`loginMs.token of the session lines (rounded to 0.1 ms): ${percentiles(tokenMs, 'ms')}`);
}

async function logInFor(durationMs: number, logIn: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (const end = performance.now() + durationMs; performance.now() < end; ) {
    const start = performance.now();
    await logIn();
    times.push(performance.now() - start);
  }
  return times;
}

function percentiles(times: readonly number[], unit: string): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ${unit}, p99 ${at(0.99)} ${unit}, longest ${at(1)} ${unit}`;
}
