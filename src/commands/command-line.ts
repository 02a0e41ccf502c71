import { type Config, loadConfig, nearFlag } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { DEMO, DEMO_PORT } from './manual/demo.ts';
import { RUN } from './manual/run.ts';
import { misspeltCommand } from './misspelt.ts';
import { parseCommand, print, printHelp } from './parser.ts';

const BEHIND_DASHES = 'a command behind -- is for exec: pg-entra-proxy exec <server> -- COMMAND';

/**
 * Runs what the arguments say.
 *
 * @param argv - without the interpreter and the program.
 * @returns the exit status.
 * @throws {@link UsageError} with every problem there is.
 */
export async function runCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const [first, ...rest] = argv;
  switch (first) {
    case 'demo':
      return runDemoCommand(rest, version);
    case 'exec':
      return (await import('./exec-command.ts')).runExecCommand(rest, env, version);
    case 'connect':
      return (await import('./connect-command.ts')).runConnectCommand(rest, env, version);
    case 'check':
    case 'doctor':
      return (await import('./check-command.ts')).runCheckCommand(rest, env, version);
    case 'token':
      return (await import('./token-command.ts')).runTokenCommand(rest, env, version);
    case 'wait':
    case 'shutdown':
      return (await import('./admin-commands.ts')).runAdminCommand(first, rest, env, version);
    case 'completion':
      return (await import('./completion-command.ts')).runCompletionCommand(rest, version);
    default:
      return runRunCommand(argv, env, version);
  }
}

async function runRunCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const [first] = argv;
  const misspelt = first === undefined ? undefined : misspeltCommand(first);
  if (misspelt !== undefined) throw new UsageError([misspelt]);
  const { words, flags, wanted } = await parseCommand(RUN, argv);
  if (wanted === 'help') return printHelp(RUN, (await import('./manual/commands.ts')).COMMANDS);
  if (wanted === 'version') return print(version);
  if (argv.includes('--')) throw new UsageError([BEHIND_DASHES]);
  const [command, ...others] = words;
  const servers = command === 'run' ? others : words;
  const readConfig = (): Config => loadConfig(servers, flags, env);
  const config = readConfig();
  if (config.settings['print-config']) {
    const { printConfig } = await import('./print-config.ts');
    return print(printConfig(config).trimEnd());
  }
  const { checkConfig, run } = await import('./run.ts');
  if (!config.settings['check-config']) return run(readConfig, version);
  await checkConfig(config);
  return print('the configuration is fine');
}

async function runDemoCommand(argv: readonly string[], version: string): Promise<number> {
  const { words, flags, wanted } = await parseCommand(DEMO, argv);
  if (wanted === 'help') return printHelp(DEMO);
  if (wanted === 'version') return print(version);
  const { once = false, port = DEMO_PORT, ...others } = flags;
  const problems = [
    ...words,
    ...Object.keys(others).map((name) => `--${name}${nearFlag(name, ['once', 'port'])}`),
  ];
  if (typeof port !== 'string' || !/^\d{1,5}$/.test(port)) problems.push(`--port ${String(port)}`);
  if (problems.length > 0) throw new UsageError(problems.map((word) => `demo does not take ${word}`));
  const { runDemo } = await import('./demo.ts');
  return runDemo({ once: once === true, port: String(port) });
}
