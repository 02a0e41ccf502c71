import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LogLine } from './log.ts';
import { until } from './wait.ts';

/** What Node.js is to run. */
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * What runs the program: as source, by the Node.js of the tests; or, so that others can be tried, compiled (by
 * `npm run build`) and by PROGRAM_NODE, a path.
 */
const { PROGRAM_NODE } = process.env;
const COMMAND =
  PROGRAM_NODE === undefined
    ? [process.execPath, MAIN]
    : [PROGRAM_NODE, fileURLToPath(new URL('../../dist/main.js', import.meta.url))];

/** The program itself, as a process of its own. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
  readonly stdout: string;
  readonly stderr: string;
  /** Waits for a JSON log line of this event. */
  find(event: string): Promise<LogLine>;
}

/**
 * @param env - settings besides PATH; nothing else of this process's environment gets through.
 * @param command - what runs the program, if not the usual.
 */
export function startProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  [file = '', ...before]: readonly string[] = COMMAND,
): Program {
  const child = spawn(file, [...before, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }));
  const search = (event: string): LogLine | undefined => {
    const complete = stderr.slice(0, stderr.lastIndexOf('\n') + 1);
    const lines = complete.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as LogLine).find((line) => line['event'] === event);
  };
  return {
    child,
    exit,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    find: async (event) => {
      await until(
        `"${event}" from the program`,
        () => search(event) !== undefined || child.exitCode !== null,
      );
      const line = search(event);
      if (line === undefined) throw new Error(`the program ended without "${event}":\n${stderr}`);
      return line;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** The ports of all TCP listeners, in the order in which the log tells them. */
export function portsIn(stderr: string): number[] {
  return [...stderr.matchAll(/"event":"listening",.*?"port":(\d+)/g)].map(([, port]) => Number(port));
}

/** Runs the program to its end. */
export async function runProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const program = startProgram(args, env);
  const exit = await program.exit;
  return { ...exit, stdout: program.stdout, stderr: program.stderr };
}
