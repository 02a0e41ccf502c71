import { quantile } from '../report/stats.ts';
import { type Client, startClient } from '../wire/clients.ts';
import { startDelayRelay } from '../wire/delay-relay.ts';
import { type Bench, type Measure, measureInRounds, type Outcome, startAll } from './bench.ts';
import { withCpu } from './cpu.ts';

const WORKLOAD = 'connecting';
const DELAY_MS = 1;
const SIZE = {
  full: { warmUp: 20, count: 100, pauseMs: 50, bursts: 3 },
  quick: { warmUp: 10, count: 25, pauseMs: 20, bursts: 1 },
};

/** As many processes as make the clients' own TLS no narrower than many single clients would be. */
const BURST_PROCESSES = 4;
const BURST_CLIENTS = 200;

/** What it takes for a request to reach the client processes; then all start at once. */
const BURST_LEAD_MS = 100;

/** 3: connect, `select 1`, close: one client with pauses, near and 1 ms away, and a crowd at once. */
export async function runConnect(bench: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const clients: Client[] = [];
  for (let index = 0; index < BURST_PROCESSES; index += 1) clients.push(stack.use(await startClient()));
  const server = bench.stage.postgres.port;
  {
    await using field = await startAll(bench, { kind: 'server', port: server }, WORKLOAD);
    const one = { workload: WORKLOAD, case: 'one client, 0 ms' };
    await measureInRounds(bench, one, field.running, oneByOne(bench, clients));
    const crowd = { workload: WORKLOAD, case: `${BURST_CLIENTS} at once` };
    await measureInRounds(bench, crowd, field.running, burst(bench, clients));
  }
  await using relay = await startDelayRelay({
    upstreamPort: server,
    delayMs: DELAY_MS,
    port: bench.ports.delay,
  });
  await using field = await startAll(bench, { kind: 'delayed', port: relay.port }, WORKLOAD);
  const far = { workload: WORKLOAD, case: `one client, ${DELAY_MS} ms` };
  await measureInRounds(bench, far, field.running, oneByOne(bench, clients));
}

function oneByOne(bench: Bench, [client]: readonly Client[]): Measure {
  const { warmUp, count, pauseMs } = bench.quick ? SIZE.quick : SIZE.full;
  return async (contender) => {
    if (client === undefined) throw new Error('no client process');
    const { target } = contender;
    const { result, cpu } = await withCpu(contender, () =>
      client.ask({ kind: 'connect', target, warmUp, count, pauseMs }),
    );
    return outcome(result, cpu, warmUp + count);
  };
}

function burst(bench: Bench, clients: readonly Client[]): Measure {
  const { bursts } = bench.quick ? SIZE.quick : SIZE.full;
  return async (contender) => {
    const { target } = contender;
    const times: number[] = [];
    const { cpu } = await withCpu(contender, async () => {
      for (let turn = 0; turn < bursts; turn += 1) {
        const at = Date.now() + BURST_LEAD_MS;
        const count = BURST_CLIENTS / clients.length;
        const answers = await Promise.all(
          clients.map((client) => client.ask({ kind: 'burst', target, count, at })),
        );
        times.push(...answers.flat());
      }
    });
    return outcome(times, cpu, times.length);
  };
}

function outcome(times: readonly number[], cpu: number | undefined, connections: number): Outcome {
  return {
    values: {
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      ...(cpu === undefined ? {} : { cpuMs: (cpu * 1000) / connections }),
    },
    raw: times,
  };
}
