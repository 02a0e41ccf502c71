import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PeerClosedError, ProxyError } from '../errors.ts';
import { describeError, type Logger } from '../log.ts';
import { printable } from '../redact.ts';
import type { DialTimes } from '../upstream/dial.ts';
import { ForeignProtocolError, LEFT_AFTER_HANDSHAKE, LEFT_WITHOUT_TLS } from './client-login.ts';
import type { LoginPhase, SessionObserver, SessionView } from './observer.ts';
import type { LoginPlan } from './policy.ts';
import type { Relay, RelayEnd } from './relay.ts';
import { ServerRejection } from './server-login.ts';
import { isDialFailure, outcomeOf } from './session-outcome.ts';

/** When and why a client left, by the cause that is known. */
const LEFT: Readonly<Record<string, string>> = {
  [LEFT_WITHOUT_TLS]:
    'when it was refused TLS, which it does not need on this machine: if it does not come back, set sslmode=disable there',
  [LEFT_AFTER_HANDSHAKE]:
    'as soon as it had TLS: if it does not come back, it may miss its name for this host in the certificate of --local-tls-cert',
};

/** How a login was asked for and went; what is not known yet is absent. */
interface LoginFacts {
  /** The TLS version that the client speaks. */
  clientTls?: string;
  clientUser?: string;
  database?: string;
  applicationName?: string;
  role?: string;
  upstream?: string;
  tls?: string | null;
  /** The connection to the server was there before the client. */
  warm?: true;
  retriedWithFreshToken?: true;
  /** How often the server was dialled, if more than once. */
  dials?: number;
}

/** Collects what happens in one session: for the one log line it gets at its end, and for who observes it. */
export class SessionStory {
  readonly #sessionId: number;
  readonly #observer: SessionObserver | undefined;
  readonly #client: string;
  readonly #start = performance.now();
  /** When there was nothing more to wait for but ourselves and the server. */
  #loginStart: number | undefined;
  /** Whether the last dial came to the server. */
  #isReached = false;
  readonly #login: LoginFacts = {};
  readonly #loginMs: Partial<Record<LoginPhase, number>> = {};
  #event: 'connection' | 'session' | 'cancel' = 'connection';
  #end: RelayEnd | undefined;
  #error: unknown;

  constructor(sessionId: number, client: Socket, observer?: SessionObserver) {
    this.#sessionId = sessionId;
    this.#observer = observer;
    this.#client =
      client.remoteAddress === undefined ? 'unix socket' : `${client.remoteAddress}:${client.remotePort}`;
  }

  /** What names the session in the log. */
  get sessionId(): number {
    return this.#sessionId;
  }

  isCancel(): void {
    this.#event = 'cancel';
  }

  planned({ clientUser, database, applicationName }: LoginPlan): void {
    this.#event = 'session';
    this.#login.clientUser = printable(clientUser);
    this.#login.database = printable(database.toString());
    this.#login.applicationName = printable(applicationName);
  }

  /** Says that the user which the client names counts for nothing: what most clients name is a made-up one. */
  ignoredUser(log: Logger): void {
    const { clientUser } = this.#login;
    if (clientUser === '') return;
    const fields = { event: 'client-user', sessionId: this.#sessionId, clientUser };
    log.debug(fields, `${this.#name} names user "${clientUser}", which is ignored`);
  }

  cameOver(clientTls: string | undefined): void {
    if (clientTls !== undefined) this.#login.clientTls = clientTls;
  }

  actsAs(role: string): void {
    this.#login.role = printable(role);
  }

  /** How long others had to be waited for. */
  queued(waitedMs: number): void {
    if (waitedMs > 0) this.#took('queue', waitedMs);
  }

  dialled(server: TLSSocket, times: DialTimes): void {
    this.#login.upstream = `${server.remoteAddress}:${server.remotePort}`;
    this.#login.tls = server.getProtocol();
    this.#took('dial', times.tcpMs);
    this.#took('tls', times.tlsMs);
    this.#isReached = true;
    this.#observer?.dialled('ok');
  }

  /** A connection that had been opened ahead. */
  tookWarm(server: TLSSocket): void {
    this.#login.upstream = `${server.remoteAddress}:${server.remotePort}`;
    this.#login.tls = server.getProtocol();
    this.#login.warm = true;
    this.#isReached = true;
  }

  /** The quick way did not lead to the end; now comes the plain one. */
  startedOver(): void {
    delete this.#login.warm;
    this.#isReached = false;
  }

  /** Notes how long a phase of the login took. */
  async timed<T>(phase: 'token' | 'authentication', work: Promise<T>): Promise<T> {
    const start = performance.now();
    this.#loginStart ??= start;
    try {
      return await work;
    } finally {
      this.#took(phase, performance.now() - start);
    }
  }

  retried(): void {
    this.#login.retriedWithFreshToken = true;
  }

  /** The server was away: it is dialled for the nth time. */
  redialled(dials: number): void {
    this.#login.dials = dials;
    if (!this.#isReached) this.#observer?.dialled('failed');
    this.#isReached = false;
  }

  /** The client knows that it is in. How long one took that types its own password says nothing of the proxy. */
  loggedIn({ login }: LoginPlan): void {
    if (login.kind === 'identity' && this.#loginStart !== undefined)
      this.#observer?.loggedIn(performance.now() - this.#loginStart, this.#loginMs);
  }

  ended(end: RelayEnd): void {
    this.#end = end;
  }

  failed(error: unknown): void {
    this.#error = error;
    if (this.#event === 'session' && !this.#isReached && isDialFailure(error))
      this.#observer?.dialled('failed');
  }

  /** What there is to see of the session now. */
  view(relay: Relay | undefined): SessionView {
    const { applicationName, clientUser, database, role } = this.#login;
    return {
      id: this.#sessionId,
      client: this.#client,
      applicationName,
      clientUser,
      database,
      role,
      ageMs: Math.round(performance.now() - this.#start),
      activity: relay?.activity ?? 'logging in',
      bytesFromClient: relay?.bytesFromClient ?? 0,
      bytesFromServer: relay?.bytesFromServer ?? 0,
    };
  }

  /** Tells the whole of it. From now on the session must not be among those that can be seen. */
  tell(log: Logger): void {
    const outcome = this.#event === 'cancel' ? undefined : outcomeOf(this.#event, this.#end, this.#error);
    if (outcome !== undefined) this.#observer?.ended(outcome);
    const durationMs = round(performance.now() - this.#start);
    const head = { event: this.#event, sessionId: this.#sessionId, client: this.#client, ...this.#login };
    const fields = { ...head, loginMs: this.#loginMs, durationMs };
    const error = this.#error;
    if (error instanceof PeerClosedError && error.peer === 'client') {
      // Port probes, health checks and clients that try TLS first do this all day.
      const when = LEFT[String(error.cause)] ?? 'before its login was done';
      log.debug(fields, `${this.#name} left ${when}`);
    } else if (error !== undefined) {
      const level = error instanceof ProxyError || isAnswer(error) ? 'warn' : 'error';
      log[level](
        { ...fields, ...describe(error) },
        `${this.#name}${this.#origin} refused: ${refusal(error)}`,
      );
    } else if (this.#end === undefined) {
      log.debug(fields, `${this.#name} cancelled a query`);
    } else {
      log.info({ ...fields, ...this.#end }, `${this.#name} ${this.#summary(this.#end, durationMs)}`);
    }
  }

  /** A login that is tried again has each phase more than once. */
  #took(phase: LoginPhase, ms: number): void {
    this.#loginMs[phase] = round((this.#loginMs[phase] ?? 0) + ms);
  }

  get #name(): string {
    const { applicationName, clientUser, database } = this.#login;
    const who = applicationName || clientUser || this.#client;
    return `#${this.#sessionId} ${who}${database === undefined ? '' : ` on ${database}`}`;
  }

  /** For who must know where a stranger came from; whoever has no name goes by that anyway. */
  get #origin(): string {
    const { applicationName, clientUser } = this.#login;
    return applicationName || clientUser ? ` from ${this.#client}` : '';
  }

  #summary(end: RelayEnd, durationMs: number): string {
    const loginMs = Object.values(this.#loginMs).reduce((sum, ms) => sum + ms, 0);
    const times = `login ${Math.round(loginMs)} ms, ${(durationMs / 1000).toFixed(1)} s in all`;
    const bytes = `${size(end.bytesFromClient)} sent, ${size(end.bytesFromServer)} received`;
    return `as ${this.#login.role}: ${times}, ${bytes}, ended by the ${end.endedBy} (${end.reason})`;
  }
}

function isAnswer(error: unknown): boolean {
  return error instanceof ServerRejection || error instanceof ForeignProtocolError;
}

/** What a refusal's log line carries; `cause` is what the client does not get to see. */
function describe(error: unknown): Record<string, unknown> {
  if (error instanceof ServerRejection) {
    const { sqlState, hint } = error.fields;
    return { endedBy: 'server', sqlState, error: describeError(error), hint };
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

function size(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log(count) / Math.log(1024)), units.length);
  return `${(count / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
