import { type ChildProcess, fork, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { superviseChild } from '../src/demo/child-process.ts';
import type { Account } from '../src/demo/postgres-binaries.ts';
import { isListening } from './linux/listeners.ts';

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 3_000;
const POLL_MS = 2;

/** One of the benchmark's own processes, spoken to over IPC: one request, one reply. */
export interface ForkedChild {
  /** What it said first. */
  readonly greeting: unknown;
  /** @throws Error if it ends without a reply. */
  ask(request: unknown): Promise<unknown>;
  end(): Promise<void>;
}

/**
 * Starts one of the benchmark's own modules as a process and waits for its first message.
 *
 * @param setup - sent to it at once, where it needs to know something; never on its command line.
 */
export async function forkChild(path: string, setup?: unknown): Promise<ForkedChild> {
  const program = fork(path, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const child = superviseChild(program);
  const end = (): Promise<void> => child.end('SIGTERM', STOP_TIMEOUT_MS);
  const reply = async (): Promise<unknown> => {
    const message = nextMessage(program);
    const first = await Promise.race([message, child.closed.then(() => ENDED)]);
    if (first === ENDED) throw new Error(`a process of the benchmark ended: ${child.output()}`);
    return first;
  };
  try {
    if (setup !== undefined) program.send(setup as object);
    const greeting = await reply();
    return {
      greeting,
      ask(request) {
        program.send(request as object);
        return reply();
      },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

const ENDED = Symbol('ended');

function nextMessage(program: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    program.once('message', resolve);
  });
}

/** A contender's process, listening. */
export interface ListeningProcess extends AsyncDisposable {
  readonly pid: number;
  /** From just before it was started until the kernel showed its port as listening. */
  readonly startMs: number;
}

export interface ListeningProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly account?: Account;
  readonly cwd?: string;
  /** Where it will listen. */
  readonly port: number;
}

/**
 * Starts a program and waits until it listens, without connecting to it.
 *
 * @throws Error with the end of its output if it ends before that, or takes more than 30 s.
 */
export async function startListeningProcess(options: ListeningProcessOptions): Promise<ListeningProcess> {
  const { command, args, env = process.env, account = {}, cwd, port } = options;
  const startedAt = performance.now();
  const program = spawn(command, args, {
    ...account,
    ...(cwd === undefined ? {} : { cwd }),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const child = superviseChild(program);
  while (!(await isListening(port))) {
    if (
      program.exitCode !== null ||
      program.pid === undefined ||
      performance.now() - startedAt > START_TIMEOUT_MS
    ) {
      await child.end('SIGKILL', STOP_TIMEOUT_MS);
      throw new Error(`${command} does not listen on port ${port}: ${child.output()}`);
    }
    await delay(POLL_MS);
  }
  const startMs = performance.now() - startedAt;
  if (program.pid === undefined) throw new Error(`${command} has no process, yet port ${port} listens`);
  return {
    pid: program.pid,
    startMs,
    [Symbol.asyncDispose]: () => child.end('SIGTERM', STOP_TIMEOUT_MS),
  };
}
