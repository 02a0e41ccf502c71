import { fileURLToPath } from 'node:url';
import { forkChild } from '../child.ts';
import type { LightServerSetup } from './light-process.ts';

const MAIN = fileURLToPath(new URL('light-process.ts', import.meta.url));

export interface LightServer extends AsyncDisposable {
  readonly port: number;
}

/** Starts, as a process, a server that is cheap to have thousands of sessions with. */
export async function startLightServer(setup: {
  readonly certPem: string;
  readonly keyPem: string;
  /** Default: any free port. */
  readonly port?: number | undefined;
}): Promise<LightServer> {
  const full: LightServerSetup = { ...setup, port: setup.port ?? 0 };
  const child = await forkChild(MAIN, full);
  const { port } = child.greeting as { readonly port: number };
  return { port, [Symbol.asyncDispose]: () => child.end() };
}
