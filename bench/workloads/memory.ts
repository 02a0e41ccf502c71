import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Contender } from '../contenders/contender.ts';
import { readRssBytes } from '../linux/process-figures.ts';
import { SERVER_NAME } from '../stage.ts';
import { startClient } from '../wire/clients.ts';
import { startLightServer } from '../wire/light-server.ts';
import { attempt, type Bench } from './bench.ts';

const WORKLOAD = 'memory';
const SESSIONS = { full: [1000, 5000], quick: [1000] };
const SETTLE_MS = { full: 3_000, quick: 500 };

/** Sessions that are gone leave garbage, which Node.js collects, and gives back, when it has been idle for a while. */
const GONE_MS = { full: 15_000, quick: 3_000 };

/** A session of a proxy has two descriptors; some are for itself. */
const DESCRIPTORS = { perSession: 2, own: 200 };

/** 4: what idle sessions cost, each contender started anew, and what is left when they are gone. */
export async function runMemory(bench: Bench): Promise<void> {
  const wanted = (bench.quick ? SESSIONS.quick : SESSIONS.full).map((count) =>
    Math.min(count, bench.maxSessions),
  );
  const limit = Math.floor(((await descriptorLimit()) - DESCRIPTORS.own) / DESCRIPTORS.perSession);
  const counts = [...new Set(wanted)].filter((count) => count <= limit);
  if (counts.length < new Set(wanted).size)
    bench.say(`${WORKLOAD}: at most ${limit} sessions here, for want of open files (ulimit -Hn)`);
  const certificate = await bench.stage.authority.issue({
    dnsNames: [SERVER_NAME],
    ipAddresses: ['127.0.0.1'],
  });
  await using light = await startLightServer({ ...certificate, port: bench.ports.light });
  // The client itself has no memory to measure.
  const contenders = bench.contenders.filter(({ kind }) => kind !== 'direct');
  for (const count of counts) {
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`${WORKLOAD}: ${count} idle sessions, round ${round} of ${bench.rounds}`);
      for (const contender of contenders) await measureOne(bench, contender, light.port, count, round);
    }
  }
}

async function measureOne(
  bench: Bench,
  contender: Contender,
  port: number,
  count: number,
  round: number,
): Promise<void> {
  const outcome = await attempt(async () => {
    await using running = await contender.start({ kind: 'light', port }, bench.stage);
    if (running?.pid === undefined) return { values: {} };
    const { pid, target } = running;
    await using client = await startClient();
    // What is loaded and made at the first logins does not count for the others.
    await client.ask({ kind: 'connect', target, warmUp: 0, count: 10, pauseMs: 0 });
    const settle = bench.quick ? SETTLE_MS.quick : SETTLE_MS.full;
    await delay(settle);
    const before = await readRssBytes(pid);
    await client.ask({ kind: 'hold', target, sessions: count });
    await delay(settle);
    const kbPerSession = ((await readRssBytes(pid)) - before) / 1024 / count;
    await client.ask({ kind: 'release' });
    await delay(bench.quick ? GONE_MS.quick : GONE_MS.full);
    const leftMb = ((await readRssBytes(pid)) - before) / 1e6;
    return { values: { kbPerSession, leftMb } };
  });
  const about = { workload: WORKLOAD, case: `${count} idle sessions`, contender: contender.name, round };
  bench.record(about, outcome);
}

/** How many files a process here may have open, at most. */
async function descriptorLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'latin1');
  const [, hard = '0'] = /^Max open files +\S+ +(\S+)/m.exec(limits) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}
