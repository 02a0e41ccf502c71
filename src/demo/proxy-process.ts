import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type ChildExit, superviseChild } from './child-process.ts';

const START_TIMEOUT_MS = 30_000;

/** A drain waits for open transactions and for clients to hang up; at the demo's end nobody cares. */
const STOP_TIMEOUT_MS = 2_000;

/** pino's number for warnings; errors have greater ones. */
const WARN_LEVEL = 40;

/** The fields of a JSON log line that matter here. */
interface LogLine {
  readonly event?: unknown;
  readonly level?: unknown;
  readonly msg?: unknown;
  readonly sessionId?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
}

export interface ProxyProcessOptions {
  /** The program's main file. */
  readonly mainPath: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Gets, once it listens, the message of each line that tells of a session or of something wrong. */
  readonly onMessage: (message: string) => void;
}

/** The proxy as a child process, listening. */
export interface ProxyProcess extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Resolves when it has ended, however. */
  readonly closed: Promise<ChildExit>;
}

/**
 * Starts the proxy and waits until it says that it listens.
 *
 * @throws Error with the messages it logged if it ends before that.
 */
export async function startProxyProcess(options: ProxyProcessOptions): Promise<ProxyProcess> {
  const { env } = options;
  const program = spawn(process.execPath, [options.mainPath, ...options.args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const child = superviseChild(program);
  const early: string[] = [];
  let isListening = false;
  const listening = new Promise<LogLine>((resolve) => {
    createInterface({ input: program.stderr }).on('line', (text) => {
      const line = parseLogLine(text);
      const message = printable(line.msg ?? text);
      if (isListening) {
        if (isTelling(line)) options.onMessage(message);
        return;
      }
      early.push(message);
      if (line.event !== 'listening') return;
      isListening = true;
      resolve(line);
    });
  });
  await Promise.race([listening, child.closed, delay(START_TIMEOUT_MS, undefined, { ref: false })]);
  if (!isListening) {
    await child.end('SIGKILL', STOP_TIMEOUT_MS);
    const { reason } = await child.closed;
    throw new Error(`the proxy did not start (${reason}):\n${early.join('\n')}`);
  }
  const { address, port } = await listening;
  return {
    address: String(address),
    port: Number(port),
    closed: child.closed,
    [Symbol.asyncDispose]: () => child.end('SIGTERM', STOP_TIMEOUT_MS),
  };
}

/** Gives the line's fields; none when it is no JSON object, such as Node's report of an uncaught error. */
function parseLogLine(text: string): LogLine {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isTelling({ level, sessionId }: LogLine): boolean {
  return sessionId !== undefined || typeof level !== 'number' || level >= WARN_LEVEL;
}

/** A log message can carry what a client sent; on a terminal, control characters are commands. */
function printable(message: unknown): string {
  return String(message).replaceAll(/\p{Cc}/gu, '?');
}
