import type { Socket } from 'node:net';
import { setDefaultHighWaterMark } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger, describeError, type Logger } from '../../log.ts';
import { sendCancel } from '../../proxy/cancel.ts';
import type { SessionObserver } from '../../proxy/observer.ts';
import { createOtlpTracer, type OtlpTracer } from '../../proxy/otlp-tracer.ts';
import { shuttingDown } from '../../proxy/registry.ts';
import { Fleet } from '../fleet.ts';
import type { HandedOver, PrimaryCalls, Setup, Snapshot, WorkerCalls } from './calls.ts';
import { Channel } from './channel.ts';
import { decodeFailure } from './failure.ts';
import { RemoteIdentities } from './remote-identities.ts';
import type { Sharing } from './sharing.ts';
import { WorkerRegistry } from './worker-registry.ts';

/** What the listener gives its sockets; of one that is passed on, only this tells how much it may hold. */
const HIGH_WATER_MARK = 262_144;

/** How long sessions may go on without a primary process, in milliseconds. */
const ORPHAN_DRAIN_MS = 5_000;

/** When it leaves whatever they do. */
const ORPHAN_LIFE_MS = 7_000;

/** Runs sessions for the process at the other end, until that says that it is enough, or is gone. */
export function runWorker(process: NodeJS.Process): void {
  setDefaultHighWaterMark(false, HIGH_WATER_MARK);
  const worker = new Worker(process);
  process.on('disconnect', () => void worker.orphaned());
}

/** What a worker is once it knows the configuration. */
interface Parts {
  readonly log: Logger;
  readonly tracer: OtlpTracer | undefined;
  readonly fleet: Fleet;
}

class Worker {
  readonly #process: NodeJS.Process;
  readonly #primary: Channel<WorkerCalls, PrimaryCalls>;
  readonly #identities: RemoteIdentities;
  #parts: Parts | undefined;
  /** One configuration after the other. */
  #configured: Promise<void> = Promise.resolve();
  /** Of the connection that is being served first now. */
  #sessionId = 0;
  #drainTimeoutMs = 0;

  constructor(process: NodeJS.Process) {
    this.#process = process;
    const calls: WorkerCalls = {
      configure: (setup) => this.#configure(setup),
      keepToken: (news) => this.#identities.keep(news),
      look: () => this.#look(),
      hasCancelKey: ({ key }) => this.#parts?.fleet.upstreamOf(Buffer.from(key)) !== undefined,
      cancel: ({ key }) => this.#cancel(Buffer.from(key)),
      drain: ({ timeoutMs }) => void this.#parts?.fleet.drain(timeoutMs),
      stop: () => this.#parts?.fleet.stop(),
      close: () => void this.#leave(0),
    };
    this.#primary = new Channel(process, calls, (handed, socket) => this.#take(handed as HandedOver, socket));
    this.#identities = new RemoteIdentities(this.#primary);
  }

  /** The primary process has died: sessions have a moment to come to an end. */
  async orphaned(): Promise<void> {
    const parts = this.#parts;
    if (parts !== undefined) {
      parts.log.error({ event: 'orphaned' }, 'the primary process is gone: this worker ends its sessions');
      const drained = parts.fleet.drain(Math.min(this.#drainTimeoutMs, ORPHAN_DRAIN_MS));
      // Not even a client that does not hang up keeps it longer.
      await Promise.race([drained, delay(ORPHAN_LIFE_MS)]);
    }
    await this.#leave(1);
  }

  #configure(setup: Setup): Promise<void> {
    const done = this.#configured.then(() => this.#takeOver(setup));
    this.#configured = done.catch(() => {});
    return done;
  }

  async #takeOver({ number, version, config, secret, tokens }: Setup): Promise<void> {
    const { settings } = config;
    this.#drainTimeoutMs = settings['drain-timeout'];
    for (const news of tokens) this.#identities.keep(news);
    if (this.#parts !== undefined) {
      await this.#parts.fleet.change(config);
      this.#parts.log.level = settings['log-level'];
      return;
    }
    this.#process.title = `pg-entra-proxy worker ${number}`;
    const format = settings['log-format'] ?? (this.#process.stderr.isTTY ? 'pretty' : 'json');
    const log = (await createLogger(settings['log-level'], format)).child({ worker: number });
    const tracer = await createOtlpTracer(version, log);
    const observe = (host: string): SessionObserver => this.#observerOf(host);
    const sharing = this.#sharing(Buffer.from(secret));
    const fleet = new Fleet(this.#identities, log, observe, undefined, tracer, sharing);
    await fleet.prepare(config);
    await fleet.listen([]);
    this.#parts = { log, tracer, fleet };
  }

  #sharing(secret: Buffer): Sharing {
    const primary = this.#primary;
    return {
      secret,
      cancelElsewhere: { forward: (key, signal) => primary.ask('cancelElsewhere', { key }, signal) },
      worker: {
        nextSessionId: () => this.#sessionId,
        createRegistry: (maxSessions) => new WorkerRegistry(maxSessions, primary),
        takePlace: (session, signal) => primary.ask('takePlace', { id: session.view().id }, signal),
      },
    };
  }

  #observerOf(host: string): SessionObserver {
    const primary = this.#primary;
    return {
      dialled: (result) => primary.tell('dialled', { host, result }),
      loggedIn: (...login) => primary.tell('loggedIn', { host, login }),
      ended: (outcome) => primary.tell('ended', { host, outcome }),
      // The primary process knows by itself.
      draining: () => {},
    };
  }

  /** @param socket - undefined if the client has gone on the way. */
  #take(handed: HandedOver, socket: Socket | undefined): void {
    // Before a byte can be read of it.
    this.#primary.tell('taken', { id: handed.id });
    if (socket === undefined) return this.#primary.tell('remove', { id: handed.id });
    socket.allowHalfOpen = true;
    socket.on('error', () => {});
    void this.#configured.then(() => this.#serve(handed, socket));
  }

  #serve({ id, server, refusal }: HandedOver, socket: Socket): void {
    const { fleet } = this.#parts ?? {};
    const instance = fleet?.instanceOf(server);
    // One that could not take over the configuration that the connection is for.
    const error = instance === undefined ? shuttingDown() : refusal && decodeFailure(refusal);
    const admitted = error && Promise.reject(error);
    admitted?.catch(() => {});
    this.#sessionId = id;
    (instance ?? fleet?.instances[0])?.serve(socket, admitted);
  }

  #look(): Snapshot {
    const { fleet } = this.#parts ?? {};
    return { sessions: fleet?.sessions() ?? [], loads: fleet?.loads() ?? [] };
  }

  async #cancel(key: Buffer): Promise<void> {
    const upstream = this.#parts?.fleet.upstreamOf(key);
    // It has ended since it was looked for: nothing is left to be cancelled.
    if (upstream === undefined) return;
    await sendCancel(key, upstream, AbortSignal.timeout(upstream.connectTimeoutMs));
  }

  async #leave(status: number): Promise<void> {
    try {
      await this.#parts?.tracer?.close();
    } catch (error) {
      this.#parts?.log.warn({ event: 'traces', error: describeError(error) }, describeError(error));
    }
    this.#process.exit(status);
  }
}
