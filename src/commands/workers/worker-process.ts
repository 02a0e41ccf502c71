import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionObserver, SessionOutcome } from '../../proxy/observer.ts';
import type { HandedOver, PrimaryCalls, Snapshot, WorkerCalls } from './calls.ts';
import { Channel } from './channel.ts';
import { encodeFailure, processGone } from './failure.ts';
import { RemoteSession } from './remote-session.ts';
import { type Accepted, addLoads, type Load } from './sharing.ts';

/** What a worker runs: the same kind of file as this one is, source or built. */
const MAIN = fileURLToPath(new URL(`worker-main${extname(import.meta.url)}`, import.meta.url));

/** How a session ends whose process is gone. */
const LOST: SessionOutcome = {
  result: 'cut',
  sqlState: undefined,
  error: undefined,
  bytesFromClient: 0,
  bytesFromServer: 0,
};

/** What a worker can call, that does not depend on which worker it is. */
export type SharedCalls = Pick<PrimaryCalls, 'getToken' | 'replaceToken' | 'nameOwner'> & {
  readonly observe: (host: string) => SessionObserver;
  readonly cancelFor: (worker: WorkerProcess, key: Buffer) => Promise<boolean>;
};

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One worker, as the primary process has it. */
export class WorkerProcess {
  readonly channel: Channel<PrimaryCalls, WorkerCalls>;
  /** When the process and its channel are gone. */
  readonly closed: Promise<ProcessEnd>;
  /** Whether it takes connections. */
  isReady = false;
  readonly #child: ChildProcess;
  readonly #observe: (host: string) => SessionObserver;
  readonly #sessions = new Map<number, RemoteSession>();
  /**
   * On their way. They are open here until they have arrived: Node.js forgets those that it had in hand when the
   * worker died, and does not close them either.
   */
  readonly #untaken = new Map<number, { readonly connection: Accepted; readonly timer: NodeJS.Timeout }>();
  #loads = new Map<string, Load>();

  constructor({ observe, cancelFor, ...shared }: SharedCalls) {
    this.#observe = observe;
    // Not node:cluster: its workers end at once when the primary process is gone, whatever they have in hand.
    this.#child = fork(MAIN, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    // After some writes Node.js would not wait for it any more, and so end before it knows that the worker has.
    this.#child.channel?.ref();
    this.closed = closing(this.#child);
    void this.closed.then(() => this.channel.lose());
    this.channel = new Channel(this.#child, {
      ...shared,
      taken: ({ id }) => this.#taken(id),
      takePlace: ({ id }) => this.#takePlace(id),
      endSession: ({ id }) => this.#sessions.get(id)?.endSession(),
      remove: ({ id }) => this.#remove(id),
      dialled: ({ host, result }) => observe(host).dialled(result),
      loggedIn: ({ host, login }) => observe(host).loggedIn(...login),
      ended: ({ host, outcome }) => observe(host).ended(outcome),
      cancelElsewhere: ({ key }) => cancelFor(this, Buffer.from(key)),
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get connectionCount(): number {
    return this.#sessions.size;
  }

  get sessionCount(): number {
    return [...this.#sessions.values()].filter(({ isSession }) => isSession).length;
  }

  /**
   * Gives it a connection.
   *
   * @param refusal - what its client is to be told once it has said what it wants.
   * @throws ProxyError 53300 if there are too many: then the connection stays here.
   */
  take(connection: Accepted, refusal: unknown): void {
    const { id, server, client, timeoutMs } = connection;
    this.#sessions.set(id, new RemoteSession(connection));
    const timer = setTimeout(() => this.#giveUp(id, connection), timeoutMs).unref();
    this.#untaken.set(id, { connection, timer });
    const handed: HandedOver = {
      id,
      server,
      refusal: refusal === undefined ? undefined : encodeFailure(refusal),
    };
    this.channel.pass(handed, client);
  }

  /** Looks at what it has in hand; keeps what was seen last if it does not answer in time. */
  async look(signal: AbortSignal): Promise<void> {
    const snapshot = await this.channel.ask('look', {}, signal).catch(() => undefined);
    if (snapshot !== undefined) this.#saw(snapshot);
  }

  loadOf(server: string): Load {
    return this.#loads.get(server) ?? addLoads([]);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /**
   * Takes what it had off the counts, when it is gone.
   *
   * @returns the connections that had not arrived, of which nothing has been read.
   */
  writeOff(): Accepted[] {
    for (const [id, { isSession, host }] of this.#sessions) {
      const bytes = this.#remove(id);
      if (isSession) this.#observe(host).ended({ ...LOST, ...bytes });
    }
    const left = [...this.#untaken.values()];
    this.#untaken.clear();
    for (const { timer } of left) clearTimeout(timer);
    return left.map(({ connection }) => connection);
  }

  #taken(id: number): void {
    const untaken = this.#untaken.get(id);
    this.#untaken.delete(id);
    clearTimeout(untaken?.timer);
    untaken?.connection.client.destroy();
  }

  /** It has no file descriptor left, say, or hangs: whoever waits is told so from here. */
  #giveUp(id: number, { runHere }: Accepted): void {
    this.#untaken.delete(id);
    this.#remove(id);
    runHere(processGone());
  }

  /** @throws ProxyError if there is no place, or nobody waits for one any more. */
  #takePlace(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) throw processGone();
    session.takePlace();
  }

  /** @returns what it was seen to have relayed. */
  #remove(id: number): Pick<SessionOutcome, 'bytesFromClient' | 'bytesFromServer'> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    session?.remove();
    const { bytesFromClient = 0, bytesFromServer = 0 } = session?.view() ?? {};
    return { bytesFromClient, bytesFromServer };
  }

  #saw({ sessions, loads }: Snapshot): void {
    for (const view of sessions) this.#sessions.get(view.id)?.saw(view);
    this.#loads = new Map(loads);
  }
}

function closing(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.on('error', () => {
      // With a process, this is only something that it could not be told.
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}
