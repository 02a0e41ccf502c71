import { collectDefaultMetrics, Registry } from 'prom-client';
import type { TokenEvent } from '../identity/token-cache.ts';
import { LOGIN_PHASES, type SessionObserver, type SessionOutcome } from '../proxy/observer.ts';
import { createInstruments, type Instruments } from './instruments.ts';
import { sqlStateLabel } from './labels.ts';
import { type AdminView, isUsable, type ServerView } from './view.ts';

/** Ends of sessions whose first is news already. */
const ALERTED = [
  ['completed', 'none'],
  ['server_lost', '08006'],
  ['cut', '57P01'],
] as const satisfies readonly (readonly [SessionOutcome['result'], string])[];

interface Bytes {
  fromClient: number;
  fromServer: number;
}

/**
 * The program's metrics, in a registry of their own.
 *
 * Labels are made of the configuration (server, identity) and of words of our own, never of what a client says,
 * so there is a bounded number of series whatever comes. What can be looked at when Prometheus asks is looked
 * at then; only what would be gone by then is counted as it happens.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #instruments: Instruments;
  #watchesProcess = false;
  readonly #observers = new Map<string, SessionObserver>();
  /** Of sessions that are over; those that run are asked when it matters. */
  readonly #bytes = new Map<string, Bytes>();

  constructor() {
    this.#instruments = createInstruments(this.#registry);
  }

  /** Begins to watch the process and its event loop, which costs a little: only where somebody may ask. */
  watchProcess(): void {
    if (this.#watchesProcess) return;
    this.#watchesProcess = true;
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @param server - its name in the configuration: one that comes again is the same. */
  observerOf(server: string): SessionObserver {
    const observer = this.#observers.get(server) ?? this.#createObserver(server);
    this.#observers.set(server, observer);
    return observer;
  }

  #createObserver(server: string): SessionObserver {
    const { dials, drains, loginPhase, login, sessions } = this.#instruments;
    // There from the start: what is missing cannot be told from what has not happened.
    for (const result of ['ok', 'failed']) dials.inc({ server, result }, 0);
    drains.inc({ server }, 0);
    for (const [result, sqlstate] of ALERTED) sessions.inc({ server, result, sqlstate }, 0);
    login.zero({ server });
    this.#bytesOf(server);
    return {
      dialled: (result) => dials.inc({ server, result }),
      loggedIn: (totalMs, phases) => {
        login.observe({ server }, totalMs / 1_000);
        for (const phase of LOGIN_PHASES) {
          const ms = phases[phase];
          if (ms !== undefined) loginPhase.observe({ server, phase }, ms / 1_000);
        }
      },
      ended: (outcome) => this.#ended(server, outcome),
      draining: () => drains.inc({ server }),
    };
  }

  /** @param identity - its name, as in {@link AdminView.identities}. */
  tokenListener(identity: string): (event: TokenEvent) => void {
    const { refreshes } = this.#instruments;
    for (const result of ['ok', 'failed']) refreshes.inc({ identity, result }, 0);
    return ({ kind }) => refreshes.inc({ identity, result: kind === 'refreshed' ? 'ok' : 'failed' });
  }

  /** All of it, in Prometheus's text format. */
  async render(view: AdminView, now: number): Promise<string> {
    this.#lookAt(view, now);
    return this.#registry.metrics();
  }

  #ended(server: string, { result, sqlState, bytesFromClient, bytesFromServer }: SessionOutcome): void {
    this.#instruments.sessions.inc({ server, result, sqlstate: sqlStateLabel(sqlState) });
    const bytes = this.#bytesOf(server);
    bytes.fromClient += bytesFromClient;
    bytes.fromServer += bytesFromServer;
  }

  #bytesOf(server: string): Bytes {
    const bytes = this.#bytes.get(server) ?? { fromClient: 0, fromServer: 0 };
    this.#bytes.set(server, bytes);
    return bytes;
  }

  #lookAt(view: AdminView, now: number): void {
    const { buildInfo, draining } = this.#instruments;
    buildInfo.set({ version: view.version, node_version: process.version }, 1);
    draining.set(view.isDraining ? 1 : 0);
    this.#lookAtIdentities(view, now);
    const servers = Map.groupBy(view.servers(), ({ host }) => host);
    this.#lookAtServers(servers);
    this.#countBytes(servers);
  }

  #lookAtIdentities(view: AdminView, now: number): void {
    const { tokenUsable, tokenExpiry } = this.#instruments;
    tokenUsable.reset();
    tokenExpiry.reset();
    for (const one of view.identities()) {
      const identity = one.name;
      tokenUsable.set({ identity }, isUsable(one, now) ? 1 : 0);
      if (one.tokenExpiresAt !== undefined) tokenExpiry.set({ identity }, one.tokenExpiresAt / 1_000);
    }
  }

  /** Several listeners of one server, and those it is about to lose, count together. */
  #lookAtServers(servers: ReadonlyMap<string, readonly ServerView[]>): void {
    const { active, limit, connections, underWay, waiting, warm } = this.#instruments;
    for (const gauge of [active, limit, connections, underWay, waiting, warm]) gauge.reset();
    for (const [server, views] of servers) {
      const labels = { server };
      for (const view of views) {
        active.inc(labels, view.sessionCount);
        connections.inc(labels, view.connectionCount);
        underWay.inc(labels, view.loginsUnderWay);
        waiting.inc(labels, view.loginsWaiting);
        warm.inc(labels, view.warmConnections);
        if (!view.isRemoved) limit.inc(labels, view.maxSessions);
      }
    }
  }

  #countBytes(servers: ReadonlyMap<string, readonly ServerView[]>): void {
    const { relayed } = this.#instruments;
    relayed.reset();
    for (const [server, ended] of this.#bytes) {
      let { fromClient, fromServer } = ended;
      for (const view of servers.get(server) ?? []) {
        for (const session of view.sessions()) {
          fromClient += session.bytesFromClient;
          fromServer += session.bytesFromServer;
        }
      }
      relayed.inc({ server, direction: 'client_to_server' }, fromClient);
      relayed.inc({ server, direction: 'server_to_client' }, fromServer);
    }
  }
}
