import type { SessionView } from '../../proxy/observer.ts';
import type { LiveSession, SessionRegistry } from '../../proxy/registry.ts';
import type { Accepted } from './sharing.ts';

/** A connection that a worker has, as the primary process counts it. */
export class RemoteSession implements LiveSession {
  readonly host: string;
  /** Whether its client has said what it wants. */
  isSession = false;
  readonly #registry: SessionRegistry;
  /** What was last seen of it. */
  #view: SessionView;

  /** @throws ProxyError 53300 if there are too many connections. */
  constructor({ id, host, client, registry }: Accepted) {
    this.host = host;
    this.#registry = registry;
    const { remoteAddress, remotePort } = client;
    this.#view = {
      id,
      client: remoteAddress === undefined ? 'unix socket' : `${remoteAddress}:${remotePort}`,
      applicationName: undefined,
      clientUser: undefined,
      database: undefined,
      role: undefined,
      ageMs: 0,
      activity: 'logging in',
      bytesFromClient: 0,
      bytesFromServer: 0,
    };
    try {
      registry.addConnection(this);
    } catch (error) {
      registry.remove(this);
      throw error;
    }
  }

  /** @throws ProxyError 53300 at the cap, 57P03 while draining. */
  takePlace(): void {
    this.#registry.addSession(this);
    this.isSession = true;
  }

  endSession(): void {
    this.isSession = false;
    this.#registry.endSession(this);
  }

  remove(): void {
    this.isSession = false;
    this.#registry.remove(this);
  }

  /** Its worker is told to end all that it has, which is as good as to end each. */
  drain(): void {}

  stop(): void {}

  view(): SessionView {
    return this.#view;
  }

  saw(view: SessionView): void {
    this.#view = view;
  }
}
