import { type Config, loadConfig } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { createBareParser, createSettingsParser, parseArguments, print, withHelp } from './parser.ts';
import { printConfig } from './print-config.ts';

/** Names that DESIGN reserves: a server so called needs its full name. */
const LATER_COMMANDS = new Set(['check', 'connect', 'token']);

const USAGE = `pg-entra-proxy [run] <server...> [flags]  run the proxy
pg-entra-proxy [run] --config FILE        the same, from a YAML file
pg-entra-proxy exec <server> [flags] -- COMMAND  run a command with a proxy of its own
pg-entra-proxy wait [flags]               wait until a running proxy is ready
pg-entra-proxy shutdown [flags]           ask a running proxy to drain and stop
pg-entra-proxy demo [--once] [--port N]   try it: everything on this machine

Listens on localhost:6432 for any PostgreSQL client, without a password, and logs in to Azure
Database for PostgreSQL with a Microsoft Entra token, over verified TLS.

<server> is myserver (completed to myserver.postgres.database.azure.com), a full host name,
or either with :port. Of several, each can have its own settings as a query
('myserver?port=6433&user=report'); those without a port of their own count up from --port.`;

const EPILOGUE = `Each flag can be given as an environment variable too: PGEP_ and the flag in upper
snake case, such as PGEP_PORT, and as a key of the file. The flag wins, then the environment.
Durations take units: 500ms, 30s, 5m.

Examples:
  az login && pg-entra-proxy myserver
  pg-entra-proxy myserver --credential managed-identity --user my-vm
  pg-entra-proxy myserver --user "Reporting Group" --port 6433
  pg-entra-proxy myserver --upstream-address 10.0.0.5
  pg-entra-proxy orders 'reports?port=6500&user=Reporting Group'

Each command has its own --help.

Exit status: 0 done, 1 runtime failure or a session cut, 2 bad usage or configuration.`;

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
    case 'wait':
    case 'shutdown':
      return (await import('./admin-commands.ts')).runAdminCommand(first, rest, env, version);
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
  if (first !== undefined && LATER_COMMANDS.has(first)) {
    throw new UsageError([
      `"${first}" is a command that this version does not have yet; a server called so goes by its full host name`,
    ]);
  }
  const settings = createSettingsParser(() => true);
  const parser = withHelp(settings.usage(USAGE).epilogue(EPILOGUE), 'Output:');
  const { words, flags, wanted } = await parseArguments(parser, argv);
  if (wanted === 'help') return print(await parser.getHelp());
  if (wanted === 'version') return print(version);
  const [command, ...others] = words;
  const servers = command === 'run' ? others : words;
  const readConfig = (): Config => loadConfig(servers, flags, env);
  const config = readConfig();
  if (config.settings['print-config']) return print(printConfig(config).trimEnd());
  const { checkConfig, run } = await import('./run.ts');
  if (!config.settings['check-config']) return run(readConfig, version);
  await checkConfig(config);
  return print('the configuration is fine');
}

async function runDemoCommand(argv: readonly string[], version: string): Promise<number> {
  const parser = withHelp(createBareParser(), 'Options:')
    .usage(
      'pg-entra-proxy demo [--once] [--port N]\n\nA real PostgreSQL over TLS, a stand-in for Entra, and the proxy.',
    )
    .option('once', { boolean: true, describe: 'exit after the first query' })
    .option('port', { describe: "the proxy's port; 0 for any free one", default: '6432' });
  const { words, flags, wanted } = await parseArguments(parser, argv);
  if (wanted === 'help') return print(await parser.getHelp());
  if (wanted === 'version') return print(version);
  const { once = false, port, ...others } = flags;
  const problems = [...words, ...Object.keys(others).map((name) => `--${name}`)];
  if (typeof port !== 'string' || !/^\d{1,5}$/.test(port)) problems.push(`--port ${String(port)}`);
  if (problems.length > 0) throw new UsageError(problems.map((word) => `demo does not take ${word}`));
  const { runDemo } = await import('./demo.ts');
  return runDemo({ once: once === true, port: String(port) });
}
