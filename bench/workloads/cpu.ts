import type { RunningContender } from '../contenders/contender.ts';
import { readCpuSeconds } from '../linux/process-figures.ts';

/** CPU time of a contender's processes so far, in seconds; undefined for direct TLS and what cannot be seen. */
export async function cpuSeconds({ pid }: RunningContender): Promise<number | undefined> {
  return pid === undefined ? undefined : readCpuSeconds(pid);
}

/** Runs some work and gives the CPU time that the contender spent meanwhile, in seconds. */
export async function withCpu<Result>(
  contender: RunningContender,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly cpu: number | undefined }> {
  const before = await cpuSeconds(contender);
  const result = await work();
  const after = await cpuSeconds(contender);
  return { result, cpu: before === undefined || after === undefined ? undefined : after - before };
}
