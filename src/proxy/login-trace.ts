import { ProxyError } from '../errors.ts';
import { describeError } from '../log.ts';
import { printable } from '../redact.ts';
import type { Dialled } from '../upstream/dial.ts';
import type { Login } from './identity-login.ts';
import type { LoginPhase } from './observer.ts';
import { ServerRejection } from './server-login.ts';

/** Times are milliseconds since 1970, with fractions. */
interface Span {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Why it failed: what may be logged, nothing more. */
  readonly error?: string;
}

/** One part of a login; a login that is tried again has each more than once. */
export interface PhaseSpan extends Span {
  readonly phase: LoginPhase;
}

/** What can be said of a login when it is over. All texts are bounded and printable. */
export interface LoginSpan extends Span {
  readonly phases: readonly PhaseSpan[];
  readonly sessionId: number;
  readonly kind: 'identity' | 'passThrough';
  readonly serverName: string;
  readonly serverPort: number;
  readonly database: string;
  /** What the client was told, by the proxy or by the server. */
  readonly sqlState?: string;
}

/** Who wants to know how logins go, span by span. */
export interface LoginTracer {
  ended(login: LoginSpan): void;
}

/** Measures the parts of one login. */
export class LoginTrace {
  readonly #phases: PhaseSpan[] = [];

  get phases(): readonly PhaseSpan[] {
    return this.#phases;
  }

  async phase<T>(phase: LoginPhase, work: Promise<T>): Promise<T> {
    const startedAt = now();
    try {
      const result = await work;
      this.#phases.push({ phase, startedAt, endedAt: now() });
      return result;
    } catch (error) {
      this.#phases.push({ phase, startedAt, endedAt: now(), error: describeError(error, 0) });
      throw error;
    }
  }

  /** A dial is two phases, and one where it fails. */
  async dial(work: Promise<Dialled>): Promise<Dialled> {
    const startedAt = now();
    const dialled = await work.catch((error: unknown) => {
      this.#phases.push({ phase: 'dial', startedAt, endedAt: now(), error: describeError(error, 0) });
      throw error;
    });
    const connectedAt = startedAt + dialled.times.tcpMs;
    this.#phases.push({ phase: 'dial', startedAt, endedAt: connectedAt });
    this.#phases.push({ phase: 'tls', startedAt: connectedAt, endedAt: connectedAt + dialled.times.tlsMs });
    return dialled;
  }

  queued(waitedMs: number): void {
    const endedAt = now();
    if (waitedMs > 0) this.#phases.push({ phase: 'queue', startedAt: endedAt - waitedMs, endedAt });
  }
}

/** Runs a login, and tells the tracer of it, if there is one, when it has come to its end. */
export async function traceLogin<T>(
  { deps, plan, story }: Login,
  work: (trace: LoginTrace) => Promise<T>,
): Promise<T> {
  const { tracer, upstream } = deps;
  const trace = new LoginTrace();
  const startedAt = now();
  const tell = (failure: { error?: string; sqlState?: string }): void =>
    tracer?.ended({
      ...failure,
      startedAt,
      endedAt: now(),
      phases: trace.phases,
      sessionId: story.sessionId,
      kind: plan.login.kind,
      serverName: upstream.trust.serverName,
      serverPort: upstream.port,
      database: printable(plan.database.toString()),
    });
  try {
    const result = await work(trace);
    tell({});
    return result;
  } catch (error) {
    tell({ error: describeError(error, 0), ...sqlStateOf(error) });
    throw error;
  }
}

function sqlStateOf(error: unknown): { sqlState?: string } {
  if (error instanceof ServerRejection) return { sqlState: printable(error.fields.sqlState) };
  return error instanceof ProxyError ? { sqlState: error.sqlState } : {};
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
