import { createReadStream } from 'node:fs';
import { isIP } from 'node:net';
import { endianness } from 'node:os';

/** One end of a TCP connection, as Node.js tells it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where Linux lists the TCP sockets of this network namespace, those of IPv4 and of IPv6. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];

/** Rows to look for, each with the one that stands for it in the answer: a socket has one in either table. */
type Wanted = Map<string, string>;

/** A scan of the tables that is still to begin, for all who asked by then. */
interface Scan {
  readonly wanted: Wanted;
  readonly owners: Promise<ReadonlyMap<string, number>>;
}

/**
 * Finds out whose socket is at the other end of a connection. A scan takes as long as the tables do (100,000
 * rows: some tenths of a second, in bites of a page), so there is never more than one at a time: whoever
 * asks meanwhile shares the next.
 */
export class SocketTable {
  readonly #paths: readonly string[];
  #next: Scan | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(paths = TABLES) {
    this.#paths = paths;
  }

  /**
   * @param local - of the socket that is looked for.
   * @returns its owner's user ID; undefined if it is not there, or if nobody has it open any more.
   */
  async findOwner(local: Endpoint, remote: Endpoint): Promise<number | undefined> {
    const keys = rowKeys(local, remote);
    this.#next ??= this.#plan();
    const [name = ''] = keys;
    for (const key of keys) this.#next.wanted.set(key, name);
    const owners = await this.#next.owners;
    return owners.get(name);
  }

  #plan(): Scan {
    const wanted: Wanted = new Map();
    const owners = this.#last.then(() => {
      this.#next = undefined;
      return scan(this.#paths, wanted);
    });
    this.#last = owners.catch(() => {});
    return { wanted, owners };
  }
}

async function scan(paths: readonly string[], wanted: Readonly<Wanted>): Promise<Map<string, number>> {
  const owners = new Map<string, number>();
  const { size } = new Set(wanted.values());
  for (const path of paths) {
    let rest = '';
    // oxlint-disable-next-line no-await-in-loop -- the second is read only if the first does not say all
    for await (const chunk of createReadStream(path, { encoding: 'latin1' })) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) noteOwner(line, wanted, owners);
      if (owners.size === size) return owners;
    }
  }
  return owners;
}

/**
 * Reads a row: `sl: local remote st tx:rx tr:tm retrnsmt uid timeout inode ...`, in which a socket that no
 * process has open any more (closed, TIME_WAIT) has uid 0 and inode 0, whoever had it: that is nobody's.
 *
 * @see https://docs.kernel.org/networking/proc_net_tcp.html
 */
function noteOwner(line: string, wanted: Readonly<Wanted>, owners: Map<string, number>): void {
  const start = line.indexOf(': ') + 2;
  const end = line.indexOf(' ', line.indexOf(' ', start) + 1);
  const name = wanted.get(line.slice(start, end));
  if (name === undefined) return;
  const [, , , , uid = '', , inode = ''] = line.slice(end).trim().split(/ +/);
  if (!/^\d+$/.test(uid) || !/^[1-9]\d*$/.test(inode)) return;
  owners.set(name, Number(uid));
}

/** How a socket's addresses stand in the tables: IPv4 can be in either, as such or mapped into IPv6. */
export function rowKeys(local: Endpoint, remote: Endpoint): string[] {
  const ends = [local, remote].map(({ address, port }) => {
    return { bytes: addressBytes(address), port: port.toString(16).toUpperCase().padStart(4, '0') };
  });
  const key = (from: number): string =>
    ends.map(({ bytes, port }) => `${hexWords(bytes.subarray(from))}:${port}`).join(' ');
  const isIPv4 = ends.every(({ bytes }) => bytes.subarray(0, 12).equals(MAPPED));
  return isIPv4 ? [key(12), key(0)] : [key(0)];
}

/** ::ffff:0:0/96, the IPv4 addresses in IPv6. */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

function addressBytes(address: string): Buffer {
  const [plain = ''] = address.split('%');
  if (isIP(plain) === 4) return Buffer.concat([MAPPED, Buffer.from(plain.split('.').map(Number))]);
  const dotted = /[\d.]+$/.exec(plain)?.[0] ?? '';
  const isDotted = dotted.includes('.');
  const tail = isDotted ? Buffer.from(dotted.split('.').map(Number)) : Buffer.alloc(0);
  const groups = isDotted ? plain.slice(0, -dotted.length).replace(/([^:]):$/, '$1') : plain;
  const [head = '', after] = groups.split('::').map((part) => part.replaceAll(/[^:]+:?/g, hexGroup));
  const bytes = Buffer.alloc(16);
  Buffer.from(head, 'hex').copy(bytes);
  const last = Buffer.concat([Buffer.from(after ?? '', 'hex'), tail]);
  last.copy(bytes, 16 - last.length);
  return bytes;
}

function hexGroup(group: string): string {
  return group.replace(':', '').padStart(4, '0');
}

/** Each four bytes as the kernel prints them: as one number, in the machine's own byte order. */
function hexWords(bytes: Buffer): string {
  const words = Buffer.from(bytes);
  if (endianness() === 'LE') words.swap32();
  return words.toString('hex').toUpperCase();
}
