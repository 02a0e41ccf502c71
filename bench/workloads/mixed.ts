import { quantile } from '../report/stats.ts';
import { startClient } from '../wire/clients.ts';
import { type Bench, measureInRounds, startAll } from './bench.ts';
import { copyOutOf } from './streaming.ts';

const WORKLOAD = 'mixed';
const SIZE = { full: { durationMs: 5_000 }, quick: { durationMs: 1_500 } };
const BULK_SESSIONS = 8;
const PAUSE_MS = 2;

/** Large enough that its start does not count, small enough to stop soon. */
const COPY_BYTES = 100e6;
const ROW_LENGTH = 1000;

/** 5: a session that sends small queries, alone and beside eight that stream. */
export async function runMixed(bench: Bench): Promise<void> {
  const { durationMs } = bench.quick ? SIZE.quick : SIZE.full;
  await using small = await startClient();
  await using bulk = await startClient();
  const server = bench.stage.postgres.port;
  await using field = await startAll(bench, { kind: 'server', port: server }, WORKLOAD);
  const about = { workload: WORKLOAD, case: `a small query beside ${BULK_SESSIONS} COPY` };
  await measureInRounds(bench, about, field.running, async ({ target }) => {
    const p99 = async (): Promise<number> =>
      quantile(await small.ask({ kind: 'queries', target, durationMs, pauseMs: PAUSE_MS }), 0.99);
    const aloneP99Ms = await p99();
    const sql = copyOutOf(COPY_BYTES, ROW_LENGTH);
    await bulk.ask({ kind: 'startBulk', target, sessions: BULK_SESSIONS, sql });
    const bulkP99Ms = await p99();
    const { bytes, ms } = await bulk.ask({ kind: 'stopBulk' });
    return {
      values: {
        aloneP99Ms,
        bulkP99Ms,
        bulkFactor: bulkP99Ms / aloneP99Ms,
        mbPerSecond: bytes / 1e6 / (ms / 1000),
      },
    };
  });
}
