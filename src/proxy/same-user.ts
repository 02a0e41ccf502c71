import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError, SqlState, StartError } from '../errors.ts';
import type { Listener } from './listener.ts';
import { type Endpoint, SocketTable } from './socket-table.ts';

/** Waits between looks at the table, in milliseconds: a row can be missed while others come and go. */
const RETRY_MS = [5, 20, 80];

/** Lets in over TCP only whom the system knows to be this process's own user; whoever is in doubt is not. */
export class SameUser {
  readonly #uid: number;
  readonly #name: string;
  readonly #table: SocketTable;

  private constructor(uid: number, table: SocketTable) {
    this.#uid = uid;
    this.#name = nameOf(uid);
    this.#table = table;
  }

  /** @throws {@link StartError} where the system does not tell whose a connection is. */
  static async create(table = new SocketTable()): Promise<SameUser> {
    const uid = process.platform === 'linux' ? process.getuid?.() : undefined;
    if (uid === undefined)
      throw new StartError(
        '--same-user works on Linux only: other systems do not tell whose a connection is. Use --unix-socket, or --local-auth',
      );
    await access('/proc/net/tcp', constants.R_OK).catch(() => {
      throw new StartError(
        '--same-user needs /proc/net/tcp, which cannot be read here. Use --unix-socket, or --local-auth',
      );
    });
    if (await standsForOthers(uid))
      throw new StartError(
        `--same-user cannot tell user ${uid} from others here: the user namespace has that number for all whom it does not know. Run as another user`,
      );
    return new SameUser(uid, table);
  }

  /** @throws {@link StartError} for a Unix socket that others can use: whose connections those are is not told. */
  readonly permit = (listener: Listener): void => {
    if (listener.kind === 'tcp' || listener.reach === 'user') return;
    throw new StartError(
      `--same-user: other users can connect to ${listener.path}. Set SocketMode=0600 and SocketUser= in its socket unit`,
    );
  };

  /** @throws {@link ProxyError} 28000 unless the client is this user's. */
  readonly admit = async (client: Socket): Promise<void> => {
    const { remoteAddress, remotePort, localAddress, localPort } = client;
    // Of one that is gone already nobody can tell.
    if (remoteAddress === undefined || remotePort === undefined) throw this.#refusal('it is gone');
    if (localAddress === undefined || localPort === undefined) throw this.#refusal('it is gone');
    const peer = { address: remoteAddress, port: remotePort };
    const uid = await this.#ownerOf(peer, { address: localAddress, port: localPort });
    if (uid === undefined)
      throw this.#refusal('whose it is cannot be told: it has closed, or is of another machine');
    if (uid !== this.#uid) throw this.#refusal(`it is of uid ${uid}`);
  };

  async #ownerOf(peer: Endpoint, own: Endpoint): Promise<number | undefined> {
    try {
      let uid = await this.#table.findOwner(peer, own);
      for (const waitMs of RETRY_MS) {
        if (uid !== undefined) return uid;
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        await delay(waitMs);
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        uid = await this.#table.findOwner(peer, own);
      }
      return uid;
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** @param cause - for the log. */
  #refusal(cause: unknown): ProxyError {
    return new ProxyError(
      SqlState.invalidAuthorization,
      `this proxy serves only user ${this.#name} (--same-user)`,
      { hint: 'Connect as that user, or start a proxy of your own.', cause },
    );
  }
}

/** Whether the kernel shows this number for users whom the user namespace has no number for. */
async function standsForOthers(uid: number): Promise<boolean> {
  const [overflow, map] = await Promise.all(
    ['/proc/sys/kernel/overflowuid', '/proc/self/uid_map'].map((path) => readFile(path, 'latin1')),
  ).catch(() => [String(uid), '']);
  return Number(overflow) === uid && !/^\s*0\s+0\s+4294967295\s*$/.test(map ?? '');
}

function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // Containers often have users without a name.
    return String(uid);
  }
}
