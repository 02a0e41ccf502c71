import yargs, { type Argv } from 'yargs';
import { type Config, loadConfig, type RawFlags } from '../config/load.ts';
import { SETTINGS, type Setting, type SettingName } from '../config/settings.ts';
import { UsageError } from '../errors.ts';
import { printConfig } from './print-config.ts';

/** Names that DESIGN reserves: a server so called needs its full name. */
const LATER_COMMANDS = new Set(['check', 'exec', 'connect', 'token', 'wait', 'shutdown']);

const USAGE = `pg-entra-proxy [run] <server...> [flags]  run the proxy
pg-entra-proxy [run] --config FILE        the same, from a YAML file
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

Exit status: 0 done, 1 runtime failure, 2 bad usage or configuration.`;

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
  const [first] = argv;
  if (first === 'demo') return runDemoCommand(argv.slice(1));
  if (first !== undefined && LATER_COMMANDS.has(first)) {
    throw new UsageError([
      `"${first}" is a command that this version does not have yet; a server called so goes by its full host name`,
    ]);
  }
  const parser = createParser();
  const { _: words, $0: _program, help, version: wantsVersion, ...flags } = await parser.parse(argv);
  if (help) return print(await parser.getHelp());
  if (wantsVersion) return print(version);
  const [command, ...rest] = words.map(String);
  const servers = command === 'run' ? rest : words.map(String);
  const readConfig = (): Config => loadConfig(servers, withoutUnset(flags), env);
  const config = readConfig();
  if (config.settings['print-config']) return print(printConfig(config).trimEnd());
  const { checkConfig, run } = await import('./run.ts');
  if (!config.settings['check-config']) return run(readConfig);
  await checkConfig(config);
  return print('the configuration is fine');
}

async function runDemoCommand(argv: readonly string[]): Promise<number> {
  const parser = withHelp(createBareParser(), 'Options:')
    .usage(
      'pg-entra-proxy demo [--once] [--port N]\n\nA real PostgreSQL over TLS, a stand-in for Entra, and the proxy.',
    )
    .option('once', { boolean: true, describe: 'exit after the first query' })
    .option('port', { describe: "the proxy's port; 0 for any free one", default: '6432' });
  const {
    _: words,
    $0: _program,
    help,
    version: _version,
    once = false,
    port,
    ...others
  } = await parser.parse(argv);
  if (help) return print(await parser.getHelp());
  const problems = [...words.map(String), ...Object.keys(withoutUnset(others)).map((name) => `--${name}`)];
  if (!/^\d{1,5}$/.test(port)) problems.push(`--port ${port}`);
  if (problems.length > 0) throw new UsageError(problems.map((word) => `demo does not take ${word}`));
  const { runDemo } = await import('./demo.ts');
  return runDemo({ once, port });
}

function createParser() {
  const parser = createBareParser().usage(USAGE).epilogue(EPILOGUE);
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { group, help, isSwitch, default: fallback }: Setting<unknown> = SETTINGS[name];
    const shown = fallback === undefined || isSwitch ? '' : ` (${fallback})`;
    parser.option(name, { group: `${group}:`, describe: `${help}${shown}`, boolean: isSwitch === true });
  }
  return withHelp(parser, 'Output:');
}

/** yargs for parsing and for the help text only: what is wrong is collected by us, all of it at once. */
function createBareParser() {
  return yargs([])
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(100);
}

function withHelp<T>(parser: Argv<T>, group: string) {
  return parser
    .option('help', { boolean: true, alias: 'h', group, describe: 'this text' })
    .option('version', { boolean: true, group, describe: 'the version' });
}

function withoutUnset(flags: Record<string, unknown>): RawFlags {
  return Object.fromEntries(
    Object.entries(flags).filter(([name, value]) => value !== undefined && name !== 'h'),
  );
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
