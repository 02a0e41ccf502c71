import type { Transfer } from '../wire/client-requests.ts';
import { type Client, startClient } from '../wire/clients.ts';
import type { Target } from '../wire/target.ts';
import { attempt, type Bench, measureInRounds, startAll } from './bench.ts';
import { withCpu } from './cpu.ts';

const WORKLOAD = 'streaming';
const GB = 1e9;
const MB = 1e6;
const SIZE = { full: GB, quick: 100 * MB };

/** Before it counts: code that runs for the first time is slow, in this proxy more than in C. */
const WARM_UP = 20 * MB;
const ROW_LENGTHS = [100, 1000];

/** Into it go rows that the server parses and drops: its disk would be what is measured. */
const SINK = 'bench_sink';

/** 2: COPY out and in, in short and long rows, and one large value. */
export async function runStreaming(bench: Bench): Promise<void> {
  const server = bench.stage.postgres.port;
  await bench.stage.postgres.admin(`create table if not exists ${SINK} (line text)`, 'app');
  await bench.stage.postgres.admin(`grant insert, select on ${SINK} to public`, 'app');
  await using client = await startClient();
  await using field = await startAll(bench, { kind: 'server', port: server }, WORKLOAD);
  const bytes = bench.quick ? SIZE.quick : SIZE.full;
  for (const { target } of field.running)
    for (const { transfer } of transfers(client)) await attempt(() => transfer(target, WARM_UP));
  for (const { name, transfer } of transfers(client)) {
    await measureInRounds(bench, { workload: WORKLOAD, case: name }, field.running, async (contender) => {
      const { result, cpu } = await withCpu(contender, () => transfer(contender.target, bytes));
      // Less would be an error that the client, which only counts, did not see.
      if (result.bytes < bytes) throw new Error(`only ${result.bytes} of ${bytes} bytes came`);
      const values = { mbPerSecond: bytes / MB / (result.ms / 1000) };
      return { values: { ...values, ...(cpu === undefined ? {} : { cpuPerGb: (cpu * GB) / bytes }) } };
    });
  }
}

interface NamedTransfer {
  readonly name: string;
  readonly transfer: (target: Target, bytes: number) => Promise<Transfer>;
}

function transfers(client: Client): NamedTransfer[] {
  const sql = `copy ${SINK} from stdin where false`;
  return [
    ...ROW_LENGTHS.map(
      (length): NamedTransfer => ({
        name: `COPY out, ${length}-byte rows`,
        transfer: (target, bytes) => client.ask({ kind: 'copyOut', target, sql: copyOutOf(bytes, length) }),
      }),
    ),
    ...ROW_LENGTHS.map(
      (rowLength): NamedTransfer => ({
        name: `COPY in, ${rowLength}-byte rows`,
        transfer: (target, bytes) => client.ask({ kind: 'copyIn', target, sql, rowLength, bytes }),
      }),
    ),
    {
      name: 'one value',
      transfer: (target, bytes) =>
        client.ask({ kind: 'copyOut', target, sql: `select repeat('x', ${bytes})` }),
    },
  ];
}

/** Rows of one constant, made one at a time: a function in FROM would write them all to disk first. */
export function copyOutOf(bytes: number, rowLength: number): string {
  const value = `'${'x'.repeat(rowLength - 1)}'::text`;
  const rows = Math.ceil(bytes / rowLength);
  return `copy (select ${value} from (select generate_series(1, ${rows})) rows) to stdout`;
}
