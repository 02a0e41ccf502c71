import { initializePgbench, runPgbench } from '../pgbench.ts';
import { quantile } from '../report/stats.ts';
import { type Bench, type Measure, measureInRounds, startAll } from './bench.ts';
import { cpuSeconds } from './cpu.ts';

const CLIENTS = [1, 8, 64];
const SIZE = { full: { scale: 10, seconds: 6 }, quick: { scale: 1, seconds: 3 } };

/** 1: `pgbench -S -M prepared`, small queries one after the other in sessions that stay. */
export async function runRoundTrips(bench: Bench, program: string | undefined): Promise<void> {
  const workload = 'round trips';
  if (program === undefined) return bench.say(`${workload}: needs pgbench (apt-get install postgresql-15)`);
  const { stage } = bench;
  const { scale, seconds } = bench.quick ? SIZE.quick : SIZE.full;
  const server = stage.postgres.port;
  await initializePgbench(program, stage.target(server, { tls: true }), stage, scale);
  await using field = await startAll(bench, { kind: 'server', port: server }, workload);
  for (const clients of CLIENTS) {
    const measure: Measure = async (contender) => {
      const readings: Promise<number | undefined>[] = [];
      const run = await runPgbench(program, contender.target, stage, {
        clients,
        seconds,
        onProgress: () => void readings.push(cpuSeconds(contender)),
      });
      const [first, last] = await Promise.all(readings);
      const cpu = first === undefined || last === undefined ? undefined : last - first;
      return {
        values: {
          tps: run.transactions / run.seconds,
          p50Ms: quantile(run.latencies, 0.5),
          p99Ms: quantile(run.latencies, 0.99),
          ...(cpu === undefined ? {} : { cpuUs: (cpu * 1e6) / run.transactions }),
        },
      };
    };
    await measureInRounds(bench, { workload, case: clientsOf(clients) }, field.running, measure);
  }
}

function clientsOf(count: number): string {
  return count === 1 ? '1 client' : `${count} clients`;
}
