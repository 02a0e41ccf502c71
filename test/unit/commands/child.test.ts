import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child, Interruption } from '../../../src/commands/child.ts';

test('a signal that comes before the command ends what it waits for, and keeps it from starting', async () => {
  const child = new Child();
  try {
    const waiting = child.after(new Promise(() => {}));
    process.emit('SIGTERM', 'SIGTERM');
    process.emit('SIGINT', 'SIGINT');
    await assert.rejects(waiting, (error) => error instanceof Interruption && error.status === 143);
    await assert.rejects(child.run(['/nowhere'], {}), (error) => error instanceof Interruption);
  } finally {
    child.close();
  }
});

test('a signal that asks for nothing to end is not in the way of the command', async () => {
  const child = new Child();
  try {
    process.emit('SIGUSR1', 'SIGUSR1');
    assert.equal(await child.after(Promise.resolve(1)), 1);
    assert.deepEqual(await child.run(['true'], { PATH: process.env['PATH'] }), { status: 0 });
  } finally {
    child.close();
  }
});
