import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** A client that is given what `connect` prints for it. */
export interface AskingClient {
  /** Its name in `connect`. */
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly skip: string | false;
  /** Connects with each text, as it is printed, and gives what the server says to {@link WHO}. */
  readonly ask: (texts: readonly string[], directory: string) => Promise<string[]>;
}

/** Runs a program that knows nothing of this process's environment, and gives what it prints. */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<string> {
  const clean = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', ...env };
  const { stdout } = await promisify(execFile)(program, args, { env: clean, timeout: 120_000, cwd });
  return stdout.trim();
}

/** What a program says that ends well; undefined if it does not, or is not there. */
export function tryOut(program: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
}

/** A client that is run for each text. */
export function oneByOne(
  name: string,
  skip: string | false,
  ask: (text: string, directory: string) => Promise<string>,
): AskingClient {
  return { name, skip, ask: (texts, directory) => Promise.all(texts.map((text) => ask(text, directory))) };
}
