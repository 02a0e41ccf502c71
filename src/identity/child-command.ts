import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** More than any token and what may stand around it, in bytes. */
const MAX_OUTPUT_LENGTH = 1_048_576;

/** How much of a standard error is kept, in bytes: its beginning. */
const MAX_ERROR_LENGTH = 65_536;

/** How a command ended. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Why it gave nothing, in a few words; undefined if it succeeded. */
  readonly failure: string | undefined;
}

/**
 * Runs a program, without a shell and with nothing on its standard input, until it has said all.
 *
 * @param signal - ends it, and all that it has started. The outcome then says so.
 */
export async function runToEnd(argv: readonly string[], signal: AbortSignal): Promise<Outcome> {
  const [file = '', ...args] = argv;
  if (file.trim() === '') return { stdout: '', stderr: '', failure: 'it is empty' };
  signal.throwIfAborted();
  const child: ChildProcess = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    detached: HAS_GROUPS,
  });
  let failure: string | undefined;
  const stop = (why: string): void => {
    failure ??= why;
    killWithChildren(child);
  };
  const onAbort = (): void => stop('it took too long');
  const onExit = (): void => killWithChildren(child);
  const stdout = collect(child.stdout, MAX_OUTPUT_LENGTH, () => stop('it prints without end'));
  const stderr = collect(child.stderr, MAX_ERROR_LENGTH);
  signal.addEventListener('abort', onAbort);
  // In a group of its own, it does not hear of a Ctrl-C that ends this program.
  process.on('exit', onExit);
  try {
    const ended = await ending(child);
    return { stdout: stdout(), stderr: stderr(), failure: failure ?? ended };
  } finally {
    signal.removeEventListener('abort', onAbort);
    process.off('exit', onExit);
  }
}

/** Windows knows no process groups. */
const HAS_GROUPS = process.platform !== 'win32';

/** A shell that is killed leaves behind what it started: the group goes as one. */
function killWithChildren(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (HAS_GROUPS) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // All of them are gone already.
  }
}

/** Waits for the end of a program and of all that it printed; gives the reason if it is not a good one. */
function ending(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => resolve(startFailure(error)));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit status ${code}`)));
  });
}

function startFailure({ code = 'unknown reason' }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'ENOENT: there is no such program';
  return code === 'EACCES' ? 'EACCES: it may not be run' : code;
}

/** Keeps the beginning of what a stream says, and lets the rest go by. Without files to open, there is none. */
function collect(stream: Readable | null, maxLength: number, onFull: () => void = () => {}): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('error', () => {});
  stream?.on('data', (chunk: Buffer) => {
    if (length >= maxLength) return onFull();
    chunks.push(chunk);
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
