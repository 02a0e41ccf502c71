import type { LogFn, Logger } from 'pino';

/** How often refusals of one kind are told, after the first. */
const INTERVAL_MS = 10_000;

/** How many kinds are kept in mind: clients can make up as many as they like. */
const MAX_KINDS = 200;

/** From here on a line tells of a refusal or of a fault: pino's number for `warn`. */
const WARN = 40;

type LogArguments = Parameters<LogFn>;

/** What the lines of refused sessions have, beside much else. */
interface RefusalFields {
  readonly event?: unknown;
  readonly sessionId: number;
  readonly sqlState?: unknown;
  readonly error: string;
}

interface Kind {
  /** When its last line was written. */
  toldAt: number;
  /** How many have not been. */
  count: number;
  /** Writes the last of them. */
  tell: (suffix: string, repeated: number) => void;
}

/**
 * Folds the lines of sessions that are refused alike, for pools that come back by the hundred: the first is
 * written at once, and then one line every ten seconds, the last one, with how many there were. Alike are
 * lines with the same server, event, SQLSTATE and error; no two others are ever taken for one. At level
 * `debug` each line is written.
 */
export class LogFolding {
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();
  #timer: NodeJS.Timeout | undefined;

  /** @param now - milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** For pino's hook `logMethod`: writes a line by its `method`, or keeps it. */
  take(log: Logger, args: LogArguments, method: LogFn, level: number): void {
    const [fields] = args as readonly unknown[];
    if (level < WARN || !isRefusal(fields) || log.isLevelEnabled('debug')) return method.apply(log, args);
    const { event, sqlState, error } = fields;
    const key = JSON.stringify([log.bindings(), level, event, sqlState, error]);
    const known = this.#kinds.get(key);
    if (known === undefined) {
      this.#remember(key);
      return method.apply(log, args);
    }
    known.count += 1;
    known.tell = (suffix, repeated) =>
      method.apply(log, [{ ...fields, repeated }, `${String(args[1])}${suffix}`]);
  }

  /** Writes what has been kept, all of it: the program ends. */
  flush(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const kind of this.#kinds.values()) this.#tell(kind);
    this.#kinds.clear();
  }

  #remember(key: string): void {
    if (this.#kinds.size >= MAX_KINDS) {
      const [[oldestKey, oldest] = []] = this.#kinds;
      if (oldestKey !== undefined) this.#kinds.delete(oldestKey);
      if (oldest !== undefined) this.#tell(oldest);
    }
    this.#kinds.set(key, { toldAt: this.#now(), count: 0, tell: () => {} });
    this.#timer ??= setInterval(() => this.#look(), INTERVAL_MS).unref();
  }

  /** Tells what there is to tell, and forgets the kinds of which there was nothing more. */
  #look(): void {
    const due = this.#now() - INTERVAL_MS;
    for (const [key, kind] of this.#kinds) {
      if (kind.toldAt > due) continue;
      if (kind.count === 0) this.#kinds.delete(key);
      else this.#tell(kind);
    }
    if (this.#kinds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(kind: Kind): void {
    const { count, toldAt, tell } = kind;
    const now = this.#now();
    kind.count = 0;
    kind.toldAt = now;
    if (count === 1) tell('', 1);
    else if (count > 1)
      tell(` (${count} times in ${Math.ceil((now - toldAt) / 1000)} s, this the last)`, count);
  }
}

function isRefusal(fields: unknown): fields is RefusalFields {
  if (typeof fields !== 'object' || fields === null) return false;
  const { sessionId, error } = fields as Partial<Record<'sessionId' | 'error', unknown>>;
  return typeof sessionId === 'number' && typeof error === 'string';
}
