import { fileURLToPath } from 'node:url';
import { forkChild } from '../child.ts';
import type { DelaySetup } from './delay-process.ts';

const MAIN = fileURLToPath(new URL('delay-process.ts', import.meta.url));

export interface DelayRelay extends AsyncDisposable {
  readonly port: number;
}

/** Starts, as a process, a TCP relay to a local port that delays all that passes, each way. */
export async function startDelayRelay(setup: {
  readonly upstreamPort: number;
  readonly delayMs: number;
  /** Default: any free port. */
  readonly port?: number | undefined;
}): Promise<DelayRelay> {
  const full: DelaySetup = { ...setup, port: setup.port ?? 0 };
  const child = await forkChild(MAIN, full);
  const { port } = child.greeting as { readonly port: number };
  return { port, [Symbol.asyncDispose]: () => child.end() };
}
