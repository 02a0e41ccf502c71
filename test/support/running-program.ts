import type { TestFiles } from './files.ts';
import type { LogLine } from './log.ts';
import { SERVER_NAME, type TestServer } from './postgres.ts';
import { type Program, startProgram } from './program.ts';

export interface RunningProgram extends Program {
  readonly port: number;
  readonly listening: LogLine;
}

/** The arguments that make the program serve a test server, with the token that it accepts in a file. */
export async function argumentsFor(server: TestServer, files: TestFiles): Promise<string[]> {
  const ca = await files.write('ca.pem', server.authority.certPem);
  const token = await files.write('token', server.token);
  const upstream = ['--upstream-address', '127.0.0.1', '--upstream-port', String(server.postgres.port)];
  const identity = ['--credential', 'token-file', '--token-file', token];
  return ['run', SERVER_NAME, ...upstream, '--ca', ca, ...identity];
}

/** Starts the program and waits until it listens; on any free port unless told otherwise. */
export async function startListening(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningProgram> {
  const chosen = args.includes('--port') || 'PGEP_PORT' in env;
  const program = startProgram(chosen ? args : [...args, '--port', '0'], env);
  try {
    const listening = await program.find('listening');
    return Object.create(program, {
      port: { value: Number(listening['port']) },
      listening: { value: listening },
    }) as RunningProgram;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
