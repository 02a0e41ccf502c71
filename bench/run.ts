import { buildProxy } from './build.ts';
import type { Contender } from './contenders/contender.ts';
import { direct } from './contenders/direct.ts';
import { pgbouncerContender } from './contenders/pgbouncer.ts';
import { proxyContender } from './contenders/proxy.ts';
import { rivalContender } from './contenders/rival.ts';
import { stunnelContender } from './contenders/stunnel.ts';
import type { Options, WorkloadName } from './options.ts';
import { findProgram } from './programs.ts';
import type { Sample } from './report/metrics.ts';
import type { Report } from './report/report.ts';
import { shareWithRivals } from './share.ts';
import { setStage } from './stage.ts';
import { readVersions } from './versions.ts';
import { attempt, type Bench } from './workloads/bench.ts';
import { runConnect } from './workloads/connect.ts';
import { runMemory } from './workloads/memory.ts';
import { runMixed } from './workloads/mixed.ts';
import { runRoundTrips } from './workloads/roundtrips.ts';
import { runStart } from './workloads/start.ts';
import { runStreaming } from './workloads/streaming.ts';

interface Programs {
  readonly pgbench: string | undefined;
  readonly stunnel: string | undefined;
  readonly pgbouncer: string | undefined;
}

/** Runs it all; nothing is left of it, however it ends. */
export async function runBench(options: Options, say: (line: string) => void): Promise<Report> {
  if (process.platform !== 'linux') throw new Error('the benchmark reads /proc: it needs Linux');
  const startedAt = new Date().toISOString();
  const programs = await findPrograms(say);
  say('starting PostgreSQL and compiling the proxy ...');
  await using stage = await setStage(options.ports.server);
  const entry = await buildProxy(stage.directory);
  const versions = await readVersions(stage, programs);
  const contenders = chooseContenders(options, programs, entry);
  await shareWithRivals(options, stage, say);
  const samples: Sample[] = [];
  const bench: Bench = {
    ...options,
    stage,
    contenders,
    entry,
    say,
    record(identity, outcome) {
      if ('failure' in outcome) {
        say(`${identity.contender} failed at ${identity.workload}, ${identity.case}: ${outcome.failure}`);
        samples.push({ ...identity, values: {}, failure: outcome.failure });
      } else samples.push({ ...identity, ...outcome });
    },
  };
  for (const name of options.only) {
    const about = { workload: name, case: 'all of it', contender: 'the benchmark', round: 1 };
    const outcome = await attempt(() => WORKLOAD_RUNS[name](bench, programs));
    if (outcome !== undefined) bench.record(about, outcome);
  }
  const { quick, rounds } = options;
  return {
    startedAt,
    quick,
    rounds,
    versions,
    contenders: contenders.map(({ name, kind }) => ({ name, kind })),
    samples,
  };
}

async function findPrograms(say: (line: string) => void): Promise<Programs> {
  const programs = {
    pgbench: await findProgram('pgbench'),
    stunnel: await findProgram('stunnel'),
    pgbouncer: await findProgram('pgbouncer'),
  };
  const missing = Object.entries(programs).filter(([, path]) => path === undefined);
  const names = missing.map(([name]) => name).join(', ');
  if (names !== '') say(`not installed: ${names} (apt-get install postgresql-15 stunnel4 pgbouncer)`);
  return programs;
}

function chooseContenders(options: Options, programs: Programs, entry: string): Contender[] {
  const all = [
    direct,
    proxyContender({ name: 'proxy', entry, flags: options.proxyFlags }),
    ...options.variants.map(({ name, flags }) => proxyContender({ name, entry, flags })),
    ...options.entries.map(({ name, path }) => proxyContender({ name, entry: path, flags: [] })),
    ...(programs.stunnel === undefined ? [] : [stunnelContender(programs.stunnel)]),
    ...(programs.pgbouncer === undefined ? [] : [pgbouncerContender(programs.pgbouncer)]),
    ...options.rivals.map(rivalContender),
  ];
  return all.filter(({ name }) => !options.without.includes(name.toLowerCase()));
}

const WORKLOAD_RUNS: Readonly<Record<WorkloadName, (bench: Bench, programs: Programs) => Promise<void>>> = {
  roundtrips: (bench, { pgbench }) => runRoundTrips(bench, pgbench),
  streaming: runStreaming,
  connect: runConnect,
  memory: runMemory,
  mixed: runMixed,
  start: runStart,
};
