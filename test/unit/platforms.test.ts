import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StopRequests, watchSignals } from '../../src/commands/signals.ts';
import { loadConfig } from '../../src/config/load.ts';
import { UsageError } from '../../src/errors.ts';

/** Lets code believe that it runs elsewhere. */
function on(platform: NodeJS.Platform, work: () => void): void {
  const { platform: own } = process;
  Object.defineProperty(process, 'platform', { value: platform });
  try {
    work();
  } finally {
    Object.defineProperty(process, 'platform', { value: own });
  }
}

function problemsOf(args: readonly string[], flags: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    loadConfig(args, flags, {});
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

test('on Windows --unix-socket is refused, with what to use instead', () => {
  on('win32', () => {
    assert.deepEqual(problemsOf(['orders'], { 'unix-socket': 'C:\\sockets' }), [
      '--unix-socket does not work on Windows, where Node.js has no Unix sockets: use --port',
    ]);
    assert.deepEqual(problemsOf(['orders'], {}), []);
  });
});

for (const platform of ['win32', 'darwin'] as const)
  test(`on ${platform} --same-user is refused, with why`, () => {
    on(platform, () => {
      assert.match(problemsOf(['orders'], { 'same-user': true }).join(), /^--same-user works on Linux only/);
    });
  });

test('SIGHUP reloads, but on Windows it stops: there it says that the console is about to close', async () => {
  const requests = new StopRequests();
  let reloads = 0;
  const unwatch = watchSignals(requests, () => {
    reloads += 1;
  });
  try {
    process.emit('SIGHUP');
    assert.equal(reloads, 1);
    on('win32', () => process.emit('SIGHUP'));
    assert.equal(reloads, 1);
    await requests.first;
  } finally {
    unwatch();
  }
});
