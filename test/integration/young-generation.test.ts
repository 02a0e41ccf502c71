import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../support/program.ts';

/** Makes 200 MB of short-lived objects at the program's end, and tells how large the young generation has become. */
const HOOK = `
  process.on('exit', () => {
    for (let count = 0; count < 2_000_000; count += 1) Array.from({ length: 5 }, () => ({}));
    const { space_size } = require('node:v8').getHeapSpaceStatistics().find((one) => one.space_name === 'new_space');
    process.stderr.write('young generation: ' + space_size);
  });`;

test('the young generation stays small, whatever garbage there is', async () => {
  const hook = `data:text/javascript,${encodeURIComponent(`import { createRequire } from 'node:module'; const require = createRequire('file:///');${HOOK}`)}`;
  const { code, stderr } = await runProgram(['--version'], { NODE_OPTIONS: `--import=${hook}` });
  assert.equal(code, 0);
  const size = Number(/young generation: (\d+)/.exec(stderr)?.[1]);
  assert.ok(size > 0 && size <= 4 * 1_048_576, stderr);
});
