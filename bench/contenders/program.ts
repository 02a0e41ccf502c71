import { findFreePort } from '../../src/demo/loopback.ts';
import { type ListeningProcessOptions, startListeningProcess } from '../child.ts';
import type { Stage } from '../stage.ts';
import type { RunningContender } from './contender.ts';

/** Starts a contender's program on a free port. */
export async function startProgram(
  name: string,
  stage: Stage,
  options: (
    port: number,
  ) => Omit<ListeningProcessOptions, 'port'> | Promise<Omit<ListeningProcessOptions, 'port'>>,
): Promise<RunningContender> {
  const port = await findFreePort();
  const process = await startListeningProcess({ ...(await options(port)), port });
  return {
    name,
    target: stage.target(port),
    pid: process.pid,
    startMs: process.startMs,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
