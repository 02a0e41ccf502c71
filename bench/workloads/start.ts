import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { escapeLiteral } from 'pg';
import { type DemoEntra, startEntra } from '../../src/demo/entra.ts';
import { LOOPBACK } from '../../src/demo/loopback.ts';
import type { Contender } from '../contenders/contender.ts';
import { proxyContender } from '../contenders/proxy.ts';
import { readRssBytes } from '../linux/process-figures.ts';
import type { Stage } from '../stage.ts';
import { type Client, startClient } from '../wire/clients.ts';
import { attempt, type Bench } from './bench.ts';

const WORKLOAD = 'start';
const STARTS = { full: 3, quick: 1 };
const SETTLE_MS = { full: 2_000, quick: 500 };

/** Its password is a token of the stand-in for Entra. */
const ENTRA_ROLE = 'bench_entra_role';
const LIFETIME_S = 24 * 3_600;

/** 6: how soon a contender listens, and its memory after one login; the proxy also with Entra's library loaded. */
export async function runStart(bench: Bench): Promise<void> {
  await using client = await startClient();
  await using entra = await startDirectory(bench.stage);
  const own = bench.contenders.filter(({ kind }) => kind !== 'direct');
  const withLibrary = own.some(({ name }) => name === 'proxy') ? [await withEntra(bench, entra)] : [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`${WORKLOAD}: round ${round} of ${bench.rounds}`);
    for (const contender of [...own, ...withLibrary]) {
      for (let turn = 0; turn < (bench.quick ? STARTS.quick : STARTS.full); turn += 1)
        await measureOne(bench, client, contender, round);
    }
  }
}

async function measureOne(bench: Bench, client: Client, contender: Contender, round: number): Promise<void> {
  const outcome = await attempt(async () => {
    const upstream = { kind: 'server', port: bench.stage.postgres.port } as const;
    await using running = await contender.start(upstream, bench.stage);
    if (running?.pid === undefined || running.startMs === undefined) return { values: {} };
    await client.ask({ kind: 'connect', target: running.target, warmUp: 0, count: 1, pauseMs: 0 });
    await delay(bench.quick ? SETTLE_MS.quick : SETTLE_MS.full);
    return { values: { listeningMs: running.startMs, rssMb: (await readRssBytes(running.pid)) / 1e6 } };
  });
  const about = { workload: WORKLOAD, case: 'to listening, then idle' };
  bench.record({ ...about, contender: contender.name, round }, outcome);
}

interface Directory extends AsyncDisposable {
  readonly entra: DemoEntra;
  readonly application: {
    readonly tenantId: string;
    readonly clientId: string;
    readonly clientSecret: string;
  };
}

async function startDirectory({ authority, postgres }: Stage): Promise<Directory> {
  await postgres.admin(`create role ${ENTRA_ROLE} login`);
  const application = { tenantId: randomUUID(), clientId: randomUUID(), clientSecret: randomUUID() };
  const entra = await startEntra({
    ...(await authority.issue({ ipAddresses: [LOOPBACK] })),
    ...application,
    lifetimeSeconds: LIFETIME_S,
    async onMint(token) {
      await postgres.admin(`alter role ${ENTRA_ROLE} password ${escapeLiteral(token)}`);
    },
  });
  return { entra, application, [Symbol.asyncDispose]: () => entra.close() };
}

async function withEntra(bench: Bench, { entra, application }: Directory): Promise<Contender> {
  const flags = ['--credential', 'environment', '--authority-host', entra.authorityHost];
  return proxyContender({
    name: 'proxy, Entra',
    entry: bench.entry,
    flags: [],
    identity: {
      flags: [...flags, '--disable-instance-discovery', '--user', ENTRA_ROLE],
      env: {
        NODE_EXTRA_CA_CERTS: bench.stage.caFile,
        AZURE_TENANT_ID: application.tenantId,
        AZURE_CLIENT_ID: application.clientId,
        AZURE_CLIENT_SECRET: application.clientSecret,
      },
    },
  });
}
