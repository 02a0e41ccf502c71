import type { TestFiles } from './files.ts';
import type { LogLine } from './log.ts';
import type { TestServer } from './postgres.ts';
import type { Program } from './program.ts';
import { connectPg, type TestClient } from './proxy.ts';
import { argumentsFor, type RunningProgram, startListening } from './running-program.ts';
import { until } from './wait.ts';

/** Starts the program with so many workers, at a level at which it tells of each of them. */
export async function startWorkers(
  server: TestServer,
  files: TestFiles,
  count: number,
  flags: readonly string[] = [],
): Promise<RunningProgram> {
  const own = ['--workers', String(count), '--log-level', 'debug'];
  return startListening([...(await argumentsFor(server, files)), ...own, ...flags]);
}

/** All complete JSON lines of this event so far. */
export function linesOf(program: Program, event: string): LogLine[] {
  const lines = program.stderr.split('\n').slice(0, -1);
  return lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line['event'] === event);
}

/** The processes of the workers that were ready at some time, the latest of each number. */
export function workerPids(program: Program): Map<number, number> {
  const lines = linesOf(program, 'worker-ready');
  return new Map(lines.map((line) => [Number(line['worker']), Number(line['pid'])]));
}

/** Ends a worker as the kernel does when memory runs out. */
export function killWorker(program: Program, number: number): void {
  const pid = workerPids(program).get(number);
  if (pid === undefined) throw new Error(`no worker ${number}`);
  process.kill(pid, 'SIGKILL');
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Which worker runs each session, by the sessions' numbers, as far as the log has told. */
export function workersOfSessions(program: Program): Map<number, number> {
  const lines = linesOf(program, 'client-user');
  return new Map(lines.map((line) => [Number(line['sessionId']), Number(line['worker'])]));
}

/** A session, and the worker that runs it. */
export interface PlacedClient extends TestClient {
  readonly worker: number;
}

/** Logs in one after the other, so that it is known which worker has whom. */
export async function connectPlaced(program: RunningProgram, count: number): Promise<PlacedClient[]> {
  const placed: PlacedClient[] = [];
  for (let index = 0; index < count; index += 1) {
    const before = workersOfSessions(program);
    const connection = await connectPg(program.port);
    const news = (): [number, number][] =>
      [...workersOfSessions(program)].filter(([session]) => !before.has(session));
    await until('the log to tell of the session', () => news().length > 0);
    placed.push(Object.assign(connection, { worker: news()[0]?.[1] ?? 0 }));
  }
  return placed;
}
