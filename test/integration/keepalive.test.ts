import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { onEachServer } from '../support/postgres.ts';
import { connectPg, proxyTo } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

/** Kernel ticks per second, as /proc shows timers in. */
const USER_HZ = 100;

const skip = process.platform !== 'linux' && 'reads /proc/net/tcp';

onEachServer((server) => {
  test('both connections of an idle session are kept alive well under 4 minutes', { skip }, async () => {
    await using proxy = await proxyTo(server());
    await using connection = await connectPg(proxy.port);
    await connection.client.query('select 1');
    for (const isOurs of [
      ({ remote }: Connection) => remote === server().postgres.port,
      ({ local, remote }: Connection) => local === proxy.port && remote !== 0,
    ]) {
      let found: Connection | undefined;
      // Right after traffic another timer of TCP's may stand in the table.
      await until('a keepalive timer', async () => {
        found = (await keepaliveTimers()).find(isOurs);
        return found !== undefined;
      });
      assert.ok(found !== undefined && found.seconds <= 120, `the first probe comes in ${found?.seconds} s`);
    }
  });
});

interface Connection {
  readonly local: number;
  readonly remote: number;
  /** Until the next keepalive probe. */
  readonly seconds: number;
}

/** Established connections (`st` 01) whose timer (`tr:tm->when`) is the one for keepalive, 02. */
async function keepaliveTimers(): Promise<Connection[]> {
  const lines = (await readFile('/proc/net/tcp', 'latin1')).trim().split('\n').slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '01' && columns[5]?.startsWith('02:'))
    .map((columns) => ({
      local: portOf(columns[1]),
      remote: portOf(columns[2]),
      seconds: Number.parseInt(columns[5]?.slice(3) ?? '', 16) / USER_HZ,
    }));
}

function portOf(address = ''): number {
  return Number.parseInt(address.split(':')[1] ?? '0', 16);
}
