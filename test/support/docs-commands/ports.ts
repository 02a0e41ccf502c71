import { createServer } from 'node:net';
import { listen } from '../../../src/demo/loopback.ts';

/** Below those that systems give to whoever asks for any: nobody gets one of these by chance. */
const FIRST = 20_000;
const COUNT = 10_000;

/** The first of several ports in a row that are free. */
export async function findPorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * COUNT);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (await areFree(ports)) return first;
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  try {
    for (const port of ports) await (await listen(createServer(), port)).close();
    return true;
  } catch {
    return false;
  }
}
