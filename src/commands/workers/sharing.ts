import type { Socket } from 'node:net';
import type { Config } from '../../config/load.ts';
import type { CancelElsewhere } from '../../proxy/cancel.ts';
import type { LiveSession, SessionRegistry } from '../../proxy/registry.ts';

/** What the instances of one process have to do with the other processes of the program. */
export interface Sharing {
  /** What unknown users' salts are made of: the same in all processes, or they would give themselves away. */
  readonly secret: Buffer;
  readonly cancelElsewhere: CancelElsewhere;
  /** In the process that listens. */
  readonly primary?: PrimarySide;
  /** In a process that runs sessions. */
  readonly worker?: WorkerSide;
}

export interface PrimarySide {
  /** Gives a connection to a worker, or runs its session here if there is none, or no room for it. */
  handOver(connection: Accepted): void;
  /** Has the workers take over a configuration. Never rejects. */
  configure(config: Config): Promise<void>;
  /** What the workers have in hand for a server, when they were last asked. */
  loadOf(server: string): Load;
  drain(timeoutMs: number): void;
  stop(): void;
}

interface WorkerSide {
  /** That of the connection which is being served first now: the primary process numbers all of them. */
  nextSessionId(): number;
  createRegistry(maxSessions: number): SessionRegistry;
  /** Asks the primary process, which counts all sessions. */
  readonly takePlace: (session: LiveSession, signal: AbortSignal) => Promise<void>;
}

/** A connection that the primary process has accepted. */
export interface Accepted {
  readonly id: number;
  /** By which all processes know the instance that it came to. */
  readonly server: string;
  /** The server's name. */
  readonly host: string;
  readonly client: Socket;
  /** Rejects if whoever has connected is not welcome. */
  readonly admitted: Promise<void> | undefined;
  /** How long its login may take, and so its way to a worker. */
  readonly timeoutMs: number;
  /** Where it counts. */
  readonly registry: SessionRegistry;
  /** @param refusal - what its client is to be told. */
  readonly runHere: (refusal?: Error) => void;
}

/** What is under way for a server besides its sessions. */
export interface Load {
  readonly loginsUnderWay: number;
  readonly loginsWaiting: number;
  readonly warmConnections: number;
}

export function addLoads(loads: readonly Load[]): Load {
  const sum = (name: keyof Load): number => loads.reduce((total, load) => total + load[name], 0);
  return {
    loginsUnderWay: sum('loginsUnderWay'),
    loginsWaiting: sum('loginsWaiting'),
    warmConnections: sum('warmConnections'),
  };
}
