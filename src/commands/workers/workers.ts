import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/load.ts';
import type { Logger } from '../../log.ts';
import { type CancelElsewhere, sendCancel } from '../../proxy/cancel.ts';
import type { SessionObserver } from '../../proxy/observer.ts';
import type { Upstream } from '../../upstream/dial.ts';
import type { Identities } from '../identities.ts';
import { shareOf } from './share.ts';
import { type Accepted, addLoads, type Load, type PrimarySide, type Sharing } from './sharing.ts';
import { Slot } from './slot.ts';
import { WorkerProcess } from './worker-process.ts';

/** How long a worker may take to say whether it runs a session, and what it has in hand. */
const ANSWER_MS = 2_000;
const LOOK_MS = 500;

/** What a worker gets beyond the time that its sessions have, before it is ended. */
const DRAIN_GRACE_MS = 3_000;

/** How long it may take to leave: its last traces have two seconds. */
const LEAVE_MS = 4_000;

export interface WorkersOptions {
  readonly config: Config;
  readonly version: string;
  readonly identities: Identities;
  readonly observe: (host: string) => SessionObserver;
  /** Where a session lives that runs in the primary process itself. */
  readonly upstreamOf: (key: Buffer) => Upstream | undefined;
  /** Workers die again and again. */
  readonly onHopeless: () => void;
  readonly log: Logger;
}

export function createWorkers(options: WorkersOptions): Workers {
  return new Workers(options);
}

/**
 * The processes that run the sessions, as the primary process has them: it listens, keeps the tokens, and
 * counts; each connection it accepts goes to the worker that has fewest, before a byte of it is read.
 */
export class Workers implements PrimarySide, CancelElsewhere {
  readonly sharing: Sharing;
  readonly #options: WorkersOptions;
  readonly #slots: readonly Slot[];
  #config: Config;
  /** Who is asked first: of those that have equally few, one takes turns with the other. */
  #turn = 0;

  constructor(options: WorkersOptions) {
    const { config, version, identities, log } = options;
    const secret = randomBytes(32);
    this.#options = options;
    this.#config = config;
    this.sharing = { secret, cancelElsewhere: this, primary: this };
    const count = config.settings.workers;
    this.#slots = Array.from({ length: count }, (_, index) => {
      const number = index + 1;
      return new Slot({
        number,
        log,
        spawn: () => this.#spawn(),
        setup: () => ({
          number,
          version,
          secret,
          config: shareOf(this.#config, count),
          tokens: identities.tokens,
        }),
        onLeft: (connections) => {
          for (const connection of connections) void this.#give(connection);
        },
        onHopeless: options.onHopeless,
      });
    });
  }

  /**
   * @returns when all are ready.
   * @throws StartError if they cannot be.
   */
  async start(): Promise<void> {
    this.#options.identities.onToken = (news) => {
      for (const { channel } of this.#running()) channel.tell('keepToken', news);
    };
    await Promise.all(this.#slots.map((slot) => slot.start()));
  }

  handOver(connection: Accepted): void {
    // Whoever gets it listens for itself.
    connection.client.on('error', () => {});
    void this.#give(connection);
  }

  async configure(config: Config): Promise<void> {
    this.#config = config;
    await Promise.all(this.#slots.map((slot) => slot.configure()));
  }

  loadOf(server: string): Load {
    return addLoads(this.#running().map((worker) => worker.loadOf(server)));
  }

  /** Looks at what the workers have in hand. Never rejects, and does not take long. */
  async look(): Promise<void> {
    const signal = AbortSignal.timeout(LOOK_MS);
    await Promise.all(this.#running().map((worker) => worker.look(signal)));
  }

  forward(key: Buffer, signal: AbortSignal): Promise<boolean> {
    return this.#forward(key, this.#running(), signal);
  }

  drain(timeoutMs: number): void {
    for (const slot of this.#slots) slot.expectEnd();
    for (const { channel } of this.#running()) channel.tell('drain', { timeoutMs });
    setTimeout(() => this.#killBusy(), timeoutMs + DRAIN_GRACE_MS).unref();
  }

  stop(): void {
    for (const slot of this.#slots) slot.expectEnd();
    for (const { channel } of this.#running()) channel.tell('stop', {});
  }

  /** Has all of them leave. */
  async close(): Promise<void> {
    for (const slot of this.#slots) slot.expectEnd();
    for (const { channel } of this.#running()) channel.tell('close', {});
    const left = Promise.all(this.#slots.map((slot) => slot.ended()));
    await Promise.race([left, delay(LEAVE_MS, undefined, { ref: false })]);
    for (const worker of this.#running()) worker.kill();
    await left;
  }

  #spawn(): WorkerProcess {
    const { identities, observe } = this.#options;
    return new WorkerProcess({
      observe,
      getToken: ({ identity }) => identities.find(identity).tokens.getToken(),
      replaceToken: ({ identity, refused, fetch }) =>
        identities.find(identity).tokens.replacementFor(refused, { fetch }),
      nameOwner: ({ identity, token }) => identities.find(identity).owner.roleFor(token),
      cancelFor: (worker, key) => this.#cancelFor(worker, key),
    });
  }

  #running(): WorkerProcess[] {
    return this.#slots.flatMap(({ worker }) => (worker?.channel.isOpen === true ? [worker] : []));
  }

  /** Never rejects. */
  async #give(connection: Accepted): Promise<void> {
    const { admitted, registry, client, runHere } = connection;
    const refusal: unknown = await admitted?.catch((error: unknown) => error);
    const worker = this.#choose();
    // With nobody to take it, or no room for it, it has its answer from here.
    if (worker === undefined || registry.draining || client.destroyed) return runHere();
    try {
      worker.take(connection, refusal);
    } catch {
      runHere();
    }
  }

  /** The one with the fewest connections. */
  #choose(): WorkerProcess | undefined {
    const { length } = this.#slots;
    let chosen: WorkerProcess | undefined;
    for (let count = 0; count < length; count += 1) {
      const worker = this.#slots[(this.#turn + count) % length]?.worker;
      if (worker === undefined || !worker.isReady || !worker.channel.isOpen) continue;
      if (chosen === undefined || worker.connectionCount < chosen.connectionCount) chosen = worker;
    }
    this.#turn = (this.#turn + 1) % length;
    return chosen;
  }

  async #cancelFor(asking: WorkerProcess, key: Buffer): Promise<boolean> {
    const upstream = this.#options.upstreamOf(key);
    const signal = AbortSignal.timeout(upstream?.connectTimeoutMs ?? 0);
    if (upstream === undefined)
      return this.#forward(
        key,
        this.#running().filter((worker) => worker !== asking),
      );
    await sendCancel(key, upstream, signal);
    return true;
  }

  async #forward(key: Buffer, workers: readonly WorkerProcess[], signal?: AbortSignal): Promise<boolean> {
    const patience = AbortSignal.timeout(ANSWER_MS);
    const asked = workers.map(async (worker) => {
      if (await worker.channel.ask('hasCancelKey', { key }, patience)) return worker;
      throw new Error('it does not run there');
    });
    const owner = await Promise.any(asked).catch(() => undefined);
    await owner?.channel.ask('cancel', { key }, signal);
    return owner !== undefined;
  }

  /** Those whose sessions are not over although their time is. */
  #killBusy(): void {
    for (const worker of this.#running()) if (worker.connectionCount > 0) worker.kill();
  }
}
