import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 10;

/** Waits for something that announces itself to nobody; fails after the timeout, saying what was awaited. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `waited ${timeoutMs} ms in vain: ${what}`);
    await delay(INTERVAL_MS);
  }
}
