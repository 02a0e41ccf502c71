import type { TLSSocket } from 'node:tls';
import { ProxyError, SqlState } from '../errors.ts';
import type { AccessToken } from '../identity/token-source.ts';
import { closeGently } from '../proxy/linger.ts';
import { encodePlan } from '../proxy/policy.ts';
import { logInToServer, type ServerLogin, ServerRejection } from '../proxy/server-login.ts';
import { dialUpstream, type Upstream } from '../upstream/dial.ts';
import type { Owner } from './claims.ts';
import { QueryError, QuerySession } from './query-session.ts';
import { explainRefusal } from './refusals.ts';
import { makeEntraRole, withCreation } from './sql.ts';
import { type Checked, type Finding, failedBy, ok } from './step.ts';

/** Where to log in. */
export interface LoginTarget {
  readonly upstream: Upstream;
  readonly database: string;
  /** What this kind of server wants to be told, see presets. */
  readonly options: string | undefined;
}

/** Protocol 3.0, which every server speaks. */
const PROTOCOL_3_0 = 0x00_03_00_00;

/** Logs in as a client does through the proxy: over a verified session of its own, once. */
export async function checkLogin(
  { upstream, database, options }: LoginTarget,
  owner: Owner,
  token: AccessToken,
): Promise<Checked<QuerySession>> {
  const { role } = owner;
  const login = { startup: encodeStartup(database, options, owner), role, token: token.value };
  const start = performance.now();
  try {
    const { socket, times } = await dialUpstream(upstream, new AbortController().signal);
    await logInOn(socket, login, upstream.connectTimeoutMs);
    const session = await QuerySession.start(socket, upstream.connectTimeoutMs);
    const { tcpMs, tlsMs } = times;
    const ms = performance.now() - start;
    const parts = `TCP ${inMs(tcpMs)}, TLS ${inMs(tlsMs)}, login ${inMs(ms - tcpMs - tlsMs)}`;
    const facts = [
      { name: 'database', value: database },
      { name: 'time', value: parts },
    ];
    return { finding: ok(`logged in as ${role} in ${inMs(ms)}`, facts), result: session };
  } catch (error) {
    return { finding: refused(error, { role, database, token }) };
  }
}

async function logInOn(socket: TLSSocket, login: ServerLogin, timeoutMs: number): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await logInToServer(socket, login, signal);
  } catch (error) {
    void closeGently(socket);
    throw signal.aborted ? tooSlow(timeoutMs) : error;
  }
}

interface Asked {
  readonly role: string;
  readonly database: string;
  readonly token: AccessToken;
}

function refused(error: unknown, { role, database, token: { claims } }: Asked): Finding {
  const asked = [
    { name: 'role', value: role },
    { name: 'database', value: database },
  ];
  if (error instanceof ServerRejection || error instanceof QueryError)
    return explainRefusal(error.fields, { role, database, claims });
  const finding = failedBy(error, asked);
  const [hint] = finding.repair;
  if (hint === undefined || !('text' in hint)) return finding;
  const repair = withCreation(hint.text, role, claims);
  return { ...finding, repair: repair.length === 1 ? repair : [...repair, ...makeEntraRole(role, claims)] };
}

function encodeStartup(database: string, options: string | undefined, { role, identity }: Owner): Buffer {
  const parameters = {
    application_name: 'pg-entra-proxy check',
    client_encoding: 'UTF8',
    ...(options === undefined ? {} : { options }),
  };
  const plan = {
    login: { kind: 'identity', identity },
    protocolVersion: PROTOCOL_3_0,
    clientUser: '',
    database: Buffer.from(database),
    applicationName: '',
    parameters: Object.entries(parameters).map(([name, value]) => ({ name, value: Buffer.from(value) })),
  } as const;
  return encodePlan(plan, role);
}

function tooSlow(timeoutMs: number): ProxyError {
  const message = `the server did not finish the login within ${timeoutMs / 1_000} s`;
  const hint = "Look at the server's load and log; --connect-timeout sets how long to wait.";
  return new ProxyError(SqlState.sessionTimeout, message, { hint });
}

function inMs(ms: number): string {
  return `${Math.ceil(ms)} ms`;
}
