import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createTestFiles, type TestFiles } from './files.ts';
import { startTestServer, type TestServer } from './postgres.ts';
import { MAIN, type Program, startProgram } from './program.ts';
import { argumentsFor } from './running-program.ts';

/** A real server, and what `exec` needs to run commands that use it. */
export interface ExecBench extends AsyncDisposable {
  readonly server: TestServer;
  readonly files: TestFiles;
  /** Environment of the program: where it may put its socket is a directory of its own. */
  readonly env: Readonly<Record<string, string>>;
  /** What lies in that directory. */
  left(): string[];
  /** The arguments of the program, for one command. */
  args(flags: readonly string[], command: readonly string[]): string[];
  start(
    flags: readonly string[],
    command: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Program;
}

export async function startExecBench(): Promise<ExecBench> {
  const files = await createTestFiles();
  const server = await startTestServer();
  const [, ...upstream] = await argumentsFor(server, files);
  const home = join(files.directory, 'home');
  await mkdir(home);
  const env = { XDG_RUNTIME_DIR: home, TMPDIR: home };
  const args = (flags: readonly string[], command: readonly string[]): string[] => {
    return ['exec', ...upstream, ...flags, '--', ...command];
  };
  return {
    server,
    files,
    env,
    left: () => readdirSync(home),
    args,
    start: (flags, command, more) => startProgram(args(flags, command), { ...env, ...more }),
    async [Symbol.asyncDispose]() {
      await server.postgres.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

/** One word of a shell's command line. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The program as a shell's command line. */
export function shellLine(args: readonly string[]): string {
  return [process.execPath, MAIN, ...args].map(quoted).join(' ');
}
