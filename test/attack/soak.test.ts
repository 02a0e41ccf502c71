import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { LOOPBACK, listen } from '../../src/demo/loopback.ts';
import { createAccessToken, type TokenSource } from '../../src/identity/token-source.ts';
import { assertUnharmed, countSockets } from '../support/after-attack.ts';
import type { LogLine } from '../support/log.ts';
import { int32, packet, SSL_REQUEST } from '../support/messages.ts';
import { startTestServer, type TestServer } from '../support/postgres.ts';
import { connectPg, proxyTo, type TestProxy } from '../support/proxy.ts';
import { createTestToken, TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { message, WireClient } from '../support/wire.ts';

const SEED = 20_261_122;
/** SOAK_VISITS=12000 makes many thousand logins of it, and twenty disturbances of the server all the same. */
const VISITS = Number(process.env['SOAK_VISITS'] ?? 480);
const VISITORS = 12;

/** So many visits have ended before the next thing happens to the server or the way to it. */
const VISITS_PER_FAULT = VISITS / 20;

/** The most turns of the event loop that a client lets pass before it does its worst. */
const MAX_TURNS = 60;

const CONNECTIONS_PER_RESET = 10;
const MAX_BYTES_TO_RESET = 6_000;

/** How soon a changed token is noticed, as one in a file is. */
const REFRESH_MS = 100;

/** The longest that the visits between two faults may take. */
const PATIENCE_MS = 60_000;

const OPEN_FILES = '/proc/self/fd';

/** How much of what is wrong a failure shows. */
const SHOWN = 3;

const WARN = 40;
const INFO = 30;
const DEBUG = 20;

const TERMINATE = message('X');
const BIG = "select repeat('x', 1000) from generate_series(1, 20000)";

/** mulberry32: the same numbers for the same seed, from 0 to below `limit`. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** A network that resets some connections in the middle of what the server says, and all when told so. */
interface Hop extends AsyncDisposable {
  readonly port: number;
  /** Whether new connections may be reset; not while something is to be proved with one. */
  faulty: boolean;
  cut(): void;
}

/** Node.js keeps the file of a socket open that is reset while its end is on the way. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

async function startHop(target: number, random: (limit: number) => number): Promise<Hop> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: LOOPBACK, port: target, allowHalfOpen: true });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroySoon();
      });
      one.pipe(other);
    }
    if (!hop.faulty || random(CONNECTIONS_PER_RESET) > 0) return;
    let left = random(MAX_BYTES_TO_RESET);
    far.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) reset(near);
    });
  });
  const { port, close } = await listen(server);
  const hop: Hop = {
    port,
    faulty: false,
    cut() {
      for (const socket of sockets) reset(socket);
    },
    [Symbol.asyncDispose]: close,
  };
  return hop;
}

/** A source whose token can change at any time. */
class ChangingToken implements TokenSource {
  readonly name = 'test';
  token: string;

  constructor(token: string) {
    this.token = token;
  }

  async fetchToken() {
    const now = Date.now();
    return createAccessToken(this.token, 'the test', { now, refreshAt: now + REFRESH_MS });
  }
}

interface Soak {
  readonly server: TestServer;
  readonly hop: Hop;
  readonly proxy: TestProxy;
  readonly source: ChangingToken;
  readonly random: (limit: number) => number;
  /** Connections that were made. */
  connections: number;
  /** Visits that have ended. */
  visits: number;
  readonly residentMb: number[];
}

type Visit = (soak: Soak) => Promise<void>;

function dial(soak: Soak): WireClient {
  const client = new WireClient(soak.proxy.dial());
  client.socket.once('connect', () => {
    soak.connections += 1;
  });
  return client;
}

async function turns(soak: Soak): Promise<void> {
  for (let left = soak.random(MAX_TURNS); left > 0; left -= 1) await nextTurn();
}

/** Whether the login came to its end, rather than to an error or a cut connection. */
async function isLoggedIn(client: WireClient, parameters: Record<string, string> = {}): Promise<boolean> {
  client.startUp(parameters);
  return client.wait('Z').then(
    () => true,
    () => false,
  );
}

/** As `pg` does it, which must get an ErrorResponse if it gets no session. */
async function wellBehaved(soak: Soak, options: pg.ClientConfig): Promise<void> {
  soak.connections += 1;
  try {
    await using connection = await connectPg(soak.proxy.port, options);
    // The session itself may be cut.
    await connection.client.query('select $1::int', [soak.random(10)]).catch(() => {});
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, `not an ErrorResponse: ${String(error)}`);
  }
}

async function leave(soak: Soak, { socket }: WireClient): Promise<void> {
  await turns(soak);
  // One that has not connected yet may never have been there.
  await until('the connection', () => !socket.connecting);
  const ways = [() => reset(socket), () => socket.destroy(), () => socket.end().resume()] as const;
  ways[soak.random(ways.length)]?.();
  await until('the connection to close', () => socket.closed);
}

const VISIT_KINDS: readonly Visit[] = [
  (soak) => wellBehaved(soak, {}),
  (soak) => wellBehaved(soak, {}),
  (soak) => wellBehaved(soak, { database: 'nowhere' }),
  async (soak) => {
    await leave(soak, dial(soak));
  },
  async (soak) => {
    const client = dial(soak);
    client.startUp();
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    client.send(Buffer.from(Array.from({ length: 1 + soak.random(500) }, () => soak.random(256))));
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    client.send(SSL_REQUEST, Buffer.alloc(soak.random(2)));
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    if (await isLoggedIn(client)) client.send(Buffer.from(`${soak.random(10)} is no message at all`));
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    if (await isLoggedIn(client)) client.query(BIG);
    if (soak.random(2) === 0) client.socket.pause();
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    if (await isLoggedIn(client)) {
      client.query('create temp table pile (line text); copy pile from stdin');
      for (let line = soak.random(300); line > 0; line -= 1)
        client.send(message('d', `${'y'.repeat(5_000)}\n`));
    }
    await leave(soak, client);
  },
  async (soak) => {
    const client = dial(soak);
    if (await isLoggedIn(client)) client.query('select 1');
    client.socket.end();
    await until('the connection to close', () => client.closed);
  },
  async (soak) => {
    const client = dial(soak);
    if (await isLoggedIn(client)) {
      client.query('select pg_sleep(1)');
      const { body } = await client.wait('K');
      const messenger = dial(soak);
      messenger.send(packet(int32(80_877_102), body));
      if (soak.random(2) === 0) await leave(soak, messenger);
      messenger.socket.end();
      const isOver = (): boolean => client.of('E').length > 0 || client.of('Z').length > 1 || client.closed;
      await until('the end of the query', isOver);
    }
    client.send(TERMINATE);
    client.socket.end();
    await until('the connection to close', () => client.closed);
  },
];

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** A server that comes up again after a crash refuses at first. */
function insist({ server }: Soak, sql: string): Promise<void> {
  return until('the server to be there', () => succeeds(server.postgres.admin(sql)));
}

const FAULTS: readonly ((soak: Soak) => Promise<unknown>)[] = [
  async ({ hop }) => hop.cut(),
  (soak) =>
    insist(soak, `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${TEST_ROLE}'`),
  async ({ hop }) => hop.cut(),
  async ({ server, source, proxy }) => {
    const token = createTestToken();
    await until('the server to know the token', () => succeeds(server.acceptToken(token)));
    source.token = token;
    await until('the new token', async () => (await proxy.tokens.getToken()).value === token);
  },
  async (soak) => {
    let client = dial(soak);
    // The network may cut this one too, before or after its login.
    while (!(await isLoggedIn(client)) || !kill((await client.wait('K')).body.readInt32BE(0)))
      client = dial(soak);
    await until('the crash', () => client.closed);
    await insist(soak, 'select 1');
  },
];

/** Whether the process was there to be killed. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function visit(soak: Soak): Promise<void> {
  while (soak.visits < VISITS) {
    await VISIT_KINDS[soak.random(VISIT_KINDS.length)]?.(soak);
    soak.visits += 1;
    if (soak.visits % (VISITS / 4) === 0) soak.residentMb.push(Math.round(process.memoryUsage.rss() / 1e6));
  }
}

async function disturb(soak: Soak): Promise<void> {
  for (let number = 0; soak.visits < VISITS; number += 1) {
    const due = Math.min(VISITS, (number + 1) * VISITS_PER_FAULT);
    await until(`${due} visits`, () => soak.visits >= due, PATIENCE_MS);
    await FAULTS[number % FAULTS.length]?.(soak);
  }
}

/** What a line's level must be: sessions are news, refusals a warning, and clients that left early nothing. */
function rightLevel(line: LogLine): number {
  if ('bytesFromServer' in line) return INFO;
  return 'error' in line ? WARN : DEBUG;
}

function countOpenFiles(): number {
  return existsSync(OPEN_FILES) ? readdirSync(OPEN_FILES).length : 0;
}

/** How much keeps this process alive, but for timers: the test's own come and go. */
function countActive(): number {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate').length;
}

test('hundreds of sessions with faults from both sides leave nothing behind', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const server = await startTestServer();
  await using _postgres = server.postgres;
  const random = createRandom(SEED);
  await using hop = await startHop(server.postgres.port, random);
  const source = new ChangingToken(server.token);
  const upstream = { port: hop.port, caPem: server.authority.certPem };
  await using proxy = await proxyTo(server, { upstream, tokens: source });
  const soak: Soak = { server, hop, proxy, source, random, connections: 0, visits: 0, residentMb: [] };
  // What is opened once and kept.
  await wellBehaved(soak, {});
  await assertUnharmed(proxy, countSockets());
  soak.connections += 1;
  const [files, active, sockets] = [countOpenFiles(), countActive(), countSockets()];

  hop.faulty = true;
  await Promise.all([disturb(soak), ...Array.from({ length: VISITORS }, () => visit(soak))]);

  hop.faulty = false;
  t.diagnostic(`${soak.visits} visits, RSS after each quarter: ${soak.residentMb.join(', ')} MB`);

  const endings = (): LogLine[] => proxy.log.lines.filter((line) => 'durationMs' in line);
  await until('an end of every session', () => endings().length >= soak.connections);
  await assertUnharmed(proxy, sockets);
  soak.connections += 1;
  await until(`no more than ${files} open files`, () => countOpenFiles() <= files);
  await until(`no more than ${active} active resources`, () => countActive() <= active);
  // A few of each: a comparison of hundreds takes minutes when it fails.
  const ids = endings().map((line) => Number(line['sessionId']));
  const missing = Array.from({ length: soak.connections }, (_, index) => index + 1);
  assert.deepEqual(missing.filter((id) => !ids.includes(id)).slice(0, SHOWN), []);
  assert.equal(ids.length, soak.connections);
  const misplaced = endings().filter((line) => line['level'] !== rightLevel(line));
  assert.deepEqual(misplaced.slice(0, SHOWN), []);
  assert.equal(proxy.log.text.includes('XX000'), false, 'an internal error');
});
