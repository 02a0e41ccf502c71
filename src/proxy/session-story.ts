import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError } from '../errors.ts';
import { describeError, type Logger } from '../log.ts';
import { printable } from '../redact.ts';
import type { DialTimes } from '../upstream/dial.ts';
import { ForeignProtocolError } from './client-login.ts';
import type { LoginPlan } from './policy.ts';
import type { Relay, RelayEnd } from './relay.ts';
import { ServerRejection } from './server-login.ts';

/** Collects what happens in one session, for the one log line it gets at its end. */
export class SessionStory {
  readonly #sessionId: number;
  readonly #start = performance.now();
  readonly #facts: Record<string, unknown> = {};
  readonly #loginMs: Record<string, number> = {};
  #kind: 'connection' | 'session' | 'cancel' = 'connection';
  #end: RelayEnd | undefined;
  #error: unknown;

  constructor(sessionId: number, client: Socket) {
    this.#sessionId = sessionId;
    this.#facts['client'] = `${client.remoteAddress}:${client.remotePort}`;
  }

  isCancel(): void {
    this.#kind = 'cancel';
  }

  planned(plan: LoginPlan): void {
    this.#kind = 'session';
    this.#facts['clientUser'] = printable(plan.clientUser);
    this.#facts['database'] = printable(plan.database.toString());
    this.#facts['applicationName'] = printable(plan.applicationName);
  }

  actsAs(role: string): void {
    this.#facts['role'] = role;
  }

  dialled(server: TLSSocket, times: DialTimes): void {
    this.#facts['upstream'] = `${server.remoteAddress}:${server.remotePort}`;
    this.#facts['tls'] = server.getProtocol();
    this.#loginMs['dial'] = round(times.tcpMs);
    this.#loginMs['tls'] = round(times.tlsMs);
  }

  /** Notes how long a phase of the login took. */
  async timed<T>(phase: 'token' | 'authentication', work: Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work;
    } finally {
      this.#loginMs[phase] = round(performance.now() - start);
    }
  }

  retried(): void {
    this.#facts['retriedWithFreshToken'] = true;
  }

  ended(end: RelayEnd, bytes: Pick<Relay, 'bytesFromClient' | 'bytesFromServer'>): void {
    this.#end = end;
    this.#facts['bytesFromClient'] = bytes.bytesFromClient;
    this.#facts['bytesFromServer'] = bytes.bytesFromServer;
  }

  failed(error: unknown): void {
    this.#error = error;
  }

  tell(log: Logger): void {
    const durationMs = round(performance.now() - this.#start);
    const fields = { event: this.#kind, sessionId: this.#sessionId, ...this.#facts };
    const error = this.#error;
    if (error instanceof PeerClosedError && error.peer === 'client') {
      // Port probes and health checks do this all day.
      log.debug({ ...fields, durationMs }, `${this.#name} left before its login was done`);
    } else if (error !== undefined) {
      const login = { loginMs: this.#loginMs, durationMs };
      const level = error instanceof ProxyError || isAnswer(error) ? 'warn' : 'error';
      log[level]({ ...fields, ...login, ...describe(error) }, `${this.#name} refused: ${refusal(error)}`);
    } else if (this.#end === undefined) {
      log.debug({ ...fields, durationMs }, `${this.#name} cancelled a query`);
    } else {
      const { endedBy, reason } = this.#end;
      const line = { ...fields, loginMs: this.#loginMs, durationMs, endedBy, reason };
      log.info(line, `${this.#name} ${this.#summary(durationMs)}, ended by the ${endedBy} (${reason})`);
    }
  }

  get #name(): string {
    const { client, clientUser, applicationName, database } = this.#facts;
    const who = this.#kind === 'session' ? `${applicationName || clientUser || client}` : String(client);
    return `#${this.#sessionId} ${who}${database === undefined ? '' : ` on ${database}`}`;
  }

  #summary(durationMs: number): string {
    const { role, bytesFromClient, bytesFromServer } = this.#facts;
    const loginMs = Object.values(this.#loginMs).reduce((sum, ms) => sum + ms, 0);
    const seconds = (durationMs / 1000).toFixed(1);
    return `as ${role}: login ${Math.round(loginMs)} ms, ${seconds} s, ${size(bytesFromClient)} sent, ${size(bytesFromServer)} received`;
  }
}

function isAnswer(error: unknown): boolean {
  return error instanceof ServerRejection || error instanceof ForeignProtocolError;
}

/** What a refusal's log line carries; `cause` is what the client does not get to see. */
function describe(error: unknown): Record<string, unknown> {
  if (error instanceof ServerRejection) {
    return { endedBy: 'server', sqlState: error.fields.sqlState, error: describeError(error) };
  }
  if (!(error instanceof ProxyError)) return { endedBy: 'proxy', error: describeError(error) };
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { endedBy: 'proxy', sqlState: error.sqlState, error: error.message, hint: error.hint, ...cause };
}

function refusal(error: unknown): string {
  const sqlState =
    error instanceof ServerRejection
      ? `${error.fields.sqlState} from the server: `
      : error instanceof ProxyError
        ? `${error.sqlState} `
        : '';
  return `${sqlState}${describeError(error, 0)}`;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function size(bytes: unknown): string {
  const count = Number(bytes);
  if (count < 1024) return `${count} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log(count) / Math.log(1024)), units.length);
  return `${(count / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
