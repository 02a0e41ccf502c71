import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type AdminListener, type AdminOptions, startAdmin } from '../../src/admin/http.ts';
import { Observations } from '../../src/admin/observations.ts';
import type { AdminView, IdentityView, ServerView } from '../../src/admin/view.ts';
import { createMemoryLog, type MemoryLog } from './log.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body, where it is JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** One request on a connection of its own, with just the headers that are given. */
export async function ask(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: OutgoingHttpHeaders; readonly body?: string } = {},
): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body: sent } = options;
  const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  asked.end(sent);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await response.toArray()).toString();
  const isJson = response.headers['content-type']?.startsWith('application/json') && body !== '';
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    json: isJson ? (JSON.parse(body) as Record<string, unknown>) : {},
  };
}

export const HOST = 'orders.postgres.database.azure.com';

export function serverView(view: Partial<ServerView> = {}): ServerView {
  return {
    host: HOST,
    upstream: `${HOST}:5432`,
    listeners: ['127.0.0.1:6432'],
    logins: [{ clientUser: undefined, role: 'alice@contoso.com', identity: 'test' }],
    isRemoved: false,
    isDraining: false,
    connectionCount: 0,
    sessionCount: 0,
    maxSessions: 10,
    loginsUnderWay: 0,
    loginsWaiting: 0,
    warmConnections: 0,
    sessions: () => [],
    ...view,
  };
}

/** With a token that is good for an hour. */
export function identityView(view: Partial<IdentityView> = {}): IdentityView {
  const now = Date.now();
  return {
    name: 'test',
    credential: 'test',
    scope: 'https://ossrdbms-aad.database.windows.net/.default',
    tokenExpiresAt: now + 3_600_000,
    nextRefreshAt: now + 1_800_000,
    failure: undefined,
    ...view,
  };
}

/** What the admin listener looks at, for a test to change; it keeps what it was told to do. */
export class TestView implements AdminView {
  readonly version = '1.2.3';
  isListening = true;
  isDraining = false;
  serverViews: readonly ServerView[] = [serverView()];
  identityViews: readonly IdentityView[] = [identityView()];
  readonly told: string[] = [];

  servers(): readonly ServerView[] {
    return this.serverViews;
  }

  identities(): readonly IdentityView[] {
    return this.identityViews;
  }

  drain(): void {
    this.told.push('drain');
  }

  quit(): void {
    this.told.push('quit');
  }
}

export interface TestAdmin extends Disposable {
  readonly admin: AdminListener;
  readonly port: number;
  readonly view: TestView;
  readonly observations: Observations;
  readonly log: MemoryLog;
  /** A bare connection, which hears of errors without a word. */
  dial(): Socket;
}

/** The real listener, with nothing behind it but a view. */
export async function startTestAdmin(options: Partial<AdminOptions> = {}): Promise<TestAdmin> {
  const view = new TestView();
  const observations = new Observations();
  const log = createMemoryLog();
  const defaults = { address: '127.0.0.1', port: 0, allowQuit: false, log: log.log };
  const admin = await startAdmin({ ...defaults, ...options }, view, observations);
  const dial = (): Socket => connect({ host: '127.0.0.1', port: admin.port }).on('error', () => {});
  return { admin, port: admin.port, view, observations, log, dial, [Symbol.dispose]: () => admin.close() };
}

/** The samples of Prometheus's text format, by name and labels as they stand there. */
export function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
