import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from '../../../bench/options.ts';

test('all workloads run in five rounds, unless it shall be quick', () => {
  const options = parseOptions([]);
  const quick = parseOptions(['--quick']);
  assert.ok(options !== 'help' && quick !== 'help');
  assert.deepEqual([options.rounds, options.only.length, options.maxSessions], [5, 6, 5000]);
  assert.equal(quick.rounds, 1);
});

test('variants, other builds and rivals are read with their names', () => {
  const options = parseOptions([
    '--only=connect,start',
    '--variant=cold=--warm 0 --log-level "warn"',
    `--proxy-entry=old=${import.meta.filename}`,
    '--rival=other=7000,7001',
    '--without=PgBouncer',
  ]);
  assert.ok(options !== 'help');
  assert.deepEqual(options.only, ['connect', 'start']);
  assert.deepEqual(options.variants, [{ name: 'cold', flags: ['--warm', '0', '--log-level', 'warn'] }]);
  assert.deepEqual(options.entries, [{ name: 'old', path: import.meta.filename }]);
  assert.deepEqual(options.rivals, [{ name: 'other', ports: { server: 7000, delayed: 7001 } }]);
  assert.deepEqual(options.without, ['pgbouncer']);
});

for (const [args, message] of [
  [['--only', 'conect'], /conect.*roundtrips, streaming, connect/],
  [['--rounds', '0'], /--rounds 0/],
  [['--rival', '7000'], /NAME=PORT/],
  [['--rival', 'x=70000'], /1 to 65535/],
  [['--variant', 'fast'], /NAME=FLAGS/],
  [['--proxy-entry', '/nowhere/main.js'], /no file \/nowhere\/main\.js/],
  [['--qick'], /--qick/],
] as const) {
  test(`${args.join(' ')} is refused, and the message says why`, () => {
    assert.throws(() => parseOptions(args), { message });
  });
}
