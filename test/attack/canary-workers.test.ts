import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { assertKept } from '../support/canary.ts';
import { APPLICATION, entraFlags, startCredentialBench } from '../support/credentials.ts';
import { connectPg } from '../support/proxy.ts';
import { TEST_ROLE } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { killWorker, linesOf, workerPids, workersOfSessions } from '../support/workers.ts';

const bench = await startCredentialBench();
after(() => bench[Symbol.asyncDispose]());

test('with workers, no token is in arguments, environment or output of any process, at their most talkative', {
  skip: process.platform !== 'linux' && 'only Linux shows what other processes were started with',
}, async () => {
  const minted: string[] = [];
  await using entra = await bench.startEntra({
    lifetimeSeconds: 5,
    onMint: async (token) => {
      minted.push(bench.keepSecret(token));
      await bench.server.acceptToken(token);
    },
  });
  const flags = ['--credential', 'environment', '--user', TEST_ROLE, '--workers', '3', ...entraFlags(entra)];
  // At its end it looks for the tokens in all that was put out.
  await using proxy = await bench.startProxy(flags, APPLICATION);
  await proxy.whoAmI();
  killWorker(proxy.program, 1);
  await until('another worker', () => linesOf(proxy.program, 'worker-ready').length === 4);
  await until('another token', () => minted.length > 1);
  const connections = await Promise.all(Array.from({ length: 6 }, () => connectPg(proxy.port)));
  await until('the log of each', () => workersOfSessions(proxy.program).size === 7);
  assert.deepEqual(
    new Set([...workersOfSessions(proxy.program)].slice(-6).map(([, worker]) => worker)),
    new Set([1, 2, 3]),
  );
  for (const pid of [...workerPids(proxy.program).values(), proxy.program.child.pid ?? 0]) {
    for (const what of ['cmdline', 'environ', 'comm']) {
      const text = await readFile(`/proc/${pid}/${what}`, 'latin1');
      for (const token of minted) assertKept(token, text, `${what} of process ${pid}`);
      if (what === 'cmdline') assertKept(APPLICATION.AZURE_CLIENT_SECRET, text, `${what} of process ${pid}`);
    }
  }
  await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
});
