import { type LiveSession, SessionRegistry } from '../../proxy/registry.ts';
import type { PrimaryCalls, WorkerCalls } from './calls.ts';
import type { Channel } from './channel.ts';

/** A worker's connections, of which the primary process is told: it counts those of all workers. */
export class WorkerRegistry extends SessionRegistry {
  readonly #primary: Channel<WorkerCalls, PrimaryCalls>;

  constructor(maxSessions: number, primary: Channel<WorkerCalls, PrimaryCalls>) {
    super(maxSessions);
    this.#primary = primary;
  }

  override endSession(session: LiveSession): void {
    const before = this.sessionCount;
    super.endSession(session);
    if (this.sessionCount < before) this.#primary.tell('endSession', { id: session.view().id });
  }

  override remove(session: LiveSession): void {
    super.remove(session);
    this.#primary.tell('remove', { id: session.view().id });
  }
}
