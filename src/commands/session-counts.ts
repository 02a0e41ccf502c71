import type { SessionObserver } from '../proxy/observer.ts';
import { type LiveSession, SessionRegistry } from '../proxy/registry.ts';

/** A registry that tells whenever a session begins or ends. */
export class CountedRegistry extends SessionRegistry {
  readonly #onChange: (change: 1 | -1) => void;

  constructor(maxSessions: number, onChange: (change: 1 | -1) => void) {
    super(maxSessions);
    this.#onChange = onChange;
  }

  override addSession(connection: LiveSession): void {
    super.addSession(connection);
    this.#onChange(1);
  }

  override endSession(connection: LiveSession): void {
    const before = this.sessionCount;
    super.endSession(connection);
    if (this.sessionCount < before) this.#onChange(-1);
  }
}

/** Counts the sessions that the proxy has ended in the middle of something. */
export class CutCount {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @param other - hears the same. */
  observer(other?: SessionObserver): SessionObserver {
    return {
      dialled: (result) => other?.dialled(result),
      loggedIn: (...login) => other?.loggedIn(...login),
      ended: (outcome) => {
        if (outcome.result === 'cut') this.#count += 1;
        other?.ended(outcome);
      },
      draining: () => other?.draining(),
    };
  }
}
