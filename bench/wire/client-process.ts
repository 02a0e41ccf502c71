/** A client of the benchmark, in a process of its own: gets requests over IPC, and answers each. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientAnswers, ClientRequest, Transfer } from './client-requests.ts';
import { encodeCopyChunk } from './message.ts';
import { WireSession } from './session.ts';
import type { Target } from './target.ts';

/** So many logins at a time while sessions are opened that shall be idle. */
const HOLD_CONCURRENCY = 32;

const held: WireSession[] = [];
let bulk: { stopping: boolean; readonly startedAt: number; readonly sessions: Promise<number>[] } | undefined;

type Handlers = {
  readonly [Kind in ClientRequest['kind']]: (
    request: Extract<ClientRequest, { kind: Kind }>,
  ) => Promise<ClientAnswers[Kind]>;
};

const handlers: Handlers = {
  async connect({ target, warmUp, count, pauseMs }) {
    const times: number[] = [];
    for (let turn = 0; turn < warmUp + count; turn += 1) {
      const ms = await connectOnce(target);
      if (turn >= warmUp) times.push(ms);
      await delay(pauseMs);
    }
    return times;
  },
  async burst({ target, count, at }) {
    await delay(Math.max(0, at - Date.now()));
    return Promise.all(Array.from({ length: count }, () => connectOnce(target)));
  },
  async queries({ target, durationMs, pauseMs }) {
    const session = await WireSession.open(target);
    await session.query('select 1');
    const times: number[] = [];
    for (const end = performance.now() + durationMs; performance.now() < end; ) {
      const start = performance.now();
      await session.query('select 1');
      times.push(performance.now() - start);
      await delay(pauseMs);
    }
    await session.close();
    return times;
  },
  async copyOut({ target, sql }) {
    const session = await WireSession.open(target);
    const start = performance.now();
    const bytes = await session.drain(sql);
    const ms = performance.now() - start;
    await session.close();
    return { bytes, ms };
  },
  async copyIn({ target, sql, rowLength, bytes }) {
    const session = await WireSession.open(target);
    const { chunk, rows } = encodeCopyChunk(rowLength);
    const times = Math.ceil(bytes / (rows * rowLength));
    const start = performance.now();
    await session.copyIn(sql, chunk, times);
    const ms = performance.now() - start;
    await session.close();
    return { bytes: times * rows * rowLength, ms };
  },
  async hold({ target, sessions }) {
    let left = sessions;
    const open = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const session = await WireSession.open(target);
        held.push(session);
        // PgBouncer gives a client a server connection of its own only at its first query.
        await session.query('select 1');
      }
    };
    await Promise.all(Array.from({ length: HOLD_CONCURRENCY }, open));
    return null;
  },
  async release() {
    await Promise.all(held.splice(0).map((session) => session.close()));
    return null;
  },
  async startBulk({ target, sessions, sql }) {
    const state = { stopping: false, startedAt: performance.now(), sessions: [] as Promise<number>[] };
    bulk = state;
    const opened = await Promise.all(Array.from({ length: sessions }, () => WireSession.open(target)));
    state.sessions.push(
      ...opened.map(async (session) => {
        let bytes = 0;
        while (!state.stopping) bytes += await session.drain(sql);
        await session.close();
        return bytes;
      }),
    );
    return null;
  },
  async stopBulk() {
    if (bulk === undefined) return { bytes: 0, ms: 0 };
    const { startedAt, sessions } = bulk;
    bulk.stopping = true;
    const bytes = (await Promise.all(sessions)).reduce((sum, one) => sum + one, 0);
    const transfer: Transfer = { bytes, ms: performance.now() - startedAt };
    bulk = undefined;
    return transfer;
  },
};

async function connectOnce(target: Target): Promise<number> {
  const start = performance.now();
  const session = await WireSession.open(target);
  await session.query('select 1');
  const ms = performance.now() - start;
  await session.close();
  return ms;
}

process.on('message', (request: ClientRequest) => {
  const handle = handlers[request.kind] as (one: ClientRequest) => Promise<unknown>;
  handle(request).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
