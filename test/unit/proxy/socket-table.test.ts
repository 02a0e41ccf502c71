import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rowKeys, SocketTable } from '../../../src/proxy/socket-table.ts';
import { createTestFiles, type TestFiles } from '../../support/files.ts';

const LITTLE_ENDIAN = { skip: endianness() !== 'LE' && 'the rows here are those of a little-endian machine' };
const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const OWN = { address: '127.0.0.1', port: 6432 };

/** A row as the kernel prints it: established, unless it is nobody's. */
function row(key: string, uid: number, inode = 4_711): string {
  const state = inode === 0 ? '06' : '01';
  return ` 128: ${key} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 2 00000000c5f18729 20 0 0 11 -1\n`;
}

function peer(port: number): { address: string; port: number } {
  return { address: '127.0.0.1', port };
}

function keyOf(port: number): string {
  return rowKeys(peer(port), OWN)[0] ?? '';
}

async function tableOf(files: TestFiles, rows: string, rows6 = ''): Promise<SocketTable> {
  const paths = [await files.write('tcp', HEAD + rows), await files.write('tcp6', HEAD + rows6)];
  return new SocketTable(paths);
}

test('addresses are looked for as the kernel prints them', LITTLE_ENDIAN, () => {
  const v4 = '0100007F:CE90 0100007F:1920';
  const mapped = '0000000000000000FFFF00000100007F:CE90 0000000000000000FFFF00000100007F:1920';
  assert.deepEqual(rowKeys(peer(52_880), OWN), [v4, mapped]);
  assert.deepEqual(
    rowKeys({ address: '::ffff:127.0.0.1', port: 52_880 }, { address: '::ffff:127.0.0.1', port: 6432 }),
    [v4, mapped],
  );
  assert.deepEqual(rowKeys({ address: '::ffff:7f00:1', port: 52_880 }, OWN), [v4, mapped]);
  const loopback = '00000000000000000000000001000000';
  assert.deepEqual(rowKeys({ address: '::1', port: 80 }, { address: '::1', port: 6432 }), [
    `${loopback}:0050 ${loopback}:1920`,
  ]);
  assert.deepEqual(rowKeys({ address: 'fe80::1:203%eth0', port: 1 }, { address: '2001:db8::', port: 2 }), [
    '000080FE000000000000000003020100:0001 B80D0120000000000000000000000000:0002',
  ]);
  const full = { address: '2001:db8:1:2:3:4:5:6', port: 1 };
  assert.deepEqual(rowKeys(full, full), [
    'B80D0120020001000400030006000500:0001 B80D0120020001000400030006000500:0001',
  ]);
});

test('a row of either table names the owner, in the direction that was asked for', async () => {
  await using files = await createTestFiles();
  const mapped = rowKeys(peer(41_001), OWN)[1] ?? '';
  const backwards = rowKeys(OWN, peer(41_002))[0] ?? '';
  const table = await tableOf(files, row(keyOf(41_000), 1_000) + row(backwards, 1_000), row(mapped, 1_001));
  assert.equal(await table.findOwner(peer(41_000), OWN), 1_000);
  assert.equal(await table.findOwner(peer(41_001), OWN), 1_001);
  assert.equal(await table.findOwner(peer(41_002), OWN), undefined);
  assert.equal(await table.findOwner(peer(4_100), OWN), undefined);
});

test('a socket that nobody has open any more is nobody’s, although its row says user 0', async () => {
  await using files = await createTestFiles();
  const table = await tableOf(files, row(keyOf(41_000), 0, 0));
  assert.equal(await table.findOwner(peer(41_000), OWN), undefined);
  const both = await tableOf(files, row(keyOf(41_000), 0, 0) + row(keyOf(41_000), 7));
  assert.equal(await both.findOwner(peer(41_000), OWN), 7);
});

test('rows that make no sense, and a table that is cut off, name nobody', async () => {
  await using files = await createTestFiles();
  const good = row(keyOf(41_000), 1_000);
  for (const bad of [
    good.slice(0, 60),
    good.replace(' 1000 ', ' -1 '),
    good.replace(' 1000 ', ' x '),
    '\n\n',
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- they share their files
    const table = await tableOf(files, bad);
    // oxlint-disable-next-line no-await-in-loop -- they share their files
    assert.equal(await table.findOwner(peer(41_000), OWN), undefined, bad);
  }
  const missing = new SocketTable([join(files.directory, 'none')]);
  await assert.rejects(missing.findOwner(peer(1), OWN), /ENOENT/);
  await assert.rejects(missing.findOwner(peer(2), OWN), /ENOENT/);
});

test('a table of 100,000 rows is read in bites, and once for all who ask at the same time', async () => {
  await using files = await createTestFiles();
  const others = Array.from({ length: 100_000 }, (_, index) => row(keyOf(index % 30_000), 2));
  const table = await tableOf(files, others.join('') + row(keyOf(41_000), 1_000));
  let turns = 0;
  let counting = setImmediate(function count() {
    turns += 1;
    counting = setImmediate(count);
  });
  const owners = await Promise.all(Array.from({ length: 1_000 }, () => table.findOwner(peer(41_000), OWN)));
  clearImmediate(counting);
  assert.deepEqual(new Set(owners), new Set([1_000]));
  // 15 MB: a stream's bite is 64 KiB.
  assert.ok(turns > 100, `the event loop turned only ${turns} times`);
});

test('who asks while a scan is under way gets the next one, which sees the new row', async () => {
  await using files = await createTestFiles();
  const others = Array.from({ length: 50_000 }, (_, index) => row(keyOf(index % 30_000), 2));
  const table = await tableOf(files, others.join(''));
  const changed = await files.write('changed', HEAD + row(keyOf(41_000), 1_000));
  let isOver = false;
  const first = table.findOwner(peer(41_000), OWN).finally(() => {
    isOver = true;
  });
  for (let turn = 0; turn < 10; turn += 1) {
    // oxlint-disable-next-line no-await-in-loop -- until the first scan has begun
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  renameSync(changed, join(files.directory, 'tcp'));
  const second = table.findOwner(peer(41_000), OWN);
  assert.equal(isOver, false);
  // Whether the first had read that far before the change is the machine's affair.
  const [, fresh] = await Promise.all([first, second]);
  assert.equal(fresh, 1_000);
});
