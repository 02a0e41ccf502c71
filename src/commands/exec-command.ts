import { type Config, loadConfig, type RawFlags } from '../config/load.ts';
import { SETTINGS, type SettingName } from '../config/settings.ts';
import { UsageError } from '../errors.ts';
import { createSettingsParser, parseArguments, print, withHelp } from './parser.ts';
import { NOT_PRIVATE } from './private-server.ts';

const USAGE = `pg-entra-proxy exec <server> [flags] -- COMMAND [ARGUMENT...]

Runs a command with a proxy of its own, on a Unix socket that nobody else can reach, and ends with
the command's exit status (128 and the signal's number if one ended it; 126 if it cannot be run,
127 if there is no such command; 1 if there is no token, or nowhere to listen).

The command finds the proxy through PGHOST, PGPORT, PGUSER (the role) and PGDATABASE (--database,
or else what PGDATABASE is already, or else postgres). It starts when there is a token; one that
may still come is waited for as long as --connect-timeout says. With --fail-fast a login is tried
too. On standard error the proxy tells of warnings only (--log-level). Signals are passed on.`;

const EPILOGUE = `The environment and the file are as in pg-entra-proxy --help; what they say of listening, and of
who may connect, does not count here.

Examples:
  pg-entra-proxy exec myserver --database app -- psql -c 'select now()'
  pg-entra-proxy exec myserver --tcp --url-env DATABASE_URL -- npm run migrate`;

/** Settings that do nothing here, whoever says them. */
const NOT_HERE: ReadonlySet<SettingName> = new Set<SettingName>([
  ...NOT_PRIVATE,
  'drain-delay',
  'exit-when-idle',
  'admin-address',
  'admin-port',
  'admin-quit',
  'check-config',
  'print-config',
]);

/** What shells take for a variable's name. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @param argv - behind `exec`. */
export async function runExecCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  const command = end === -1 ? [] : argv.slice(end + 1);
  const parser = createParser();
  const { words, flags, wanted } = await parseArguments(parser, own);
  if (wanted === 'help') return print(await parser.getHelp());
  if (wanted === 'version') return print(version);
  const { tcp, 'url-env': urlName, ...settings } = flags;
  const problems = [...ownProblems(command, tcp, urlName), ...misplaced(settings)];
  const config = load(words, settings, env, problems);
  const { exec } = await import('./exec.ts');
  return exec(config, { command, tcp: tcp === true, urlName: urlName as string | undefined, env, version });
}

function createParser() {
  const group = 'Exec:';
  const parser = createSettingsParser((name) => !NOT_HERE.has(name))
    .usage(USAGE)
    .epilogue(EPILOGUE)
    .option('tcp', {
      group,
      boolean: true,
      describe: 'a port of 127.0.0.1 and a one-time password (PGPASSWORD), for what knows no Unix sockets',
    })
    .option('url-env', { group, describe: 'a variable that gets a URL, such as DATABASE_URL' });
  return withHelp(parser, 'Output:');
}

function ownProblems(command: readonly string[], tcp: unknown, urlName: unknown): string[] {
  const problems: string[] = [];
  if (command.length === 0) problems.push('exec needs a command: pg-entra-proxy exec <server> -- COMMAND');
  else if (command[0] === '') problems.push("the command's name is empty");
  if (Array.isArray(tcp)) problems.push('--tcp is given more than once');
  if (Array.isArray(urlName)) problems.push('--url-env is given more than once');
  else if (urlName !== undefined && !(typeof urlName === 'string' && VARIABLE.test(urlName)))
    problems.push('--url-env takes the name of a variable, such as DATABASE_URL');
  return problems;
}

/** In the environment and the file they may be meant for `run`. */
function misplaced(flags: RawFlags): string[] {
  const names = Object.keys(flags).filter((name) => Object.hasOwn(SETTINGS, name));
  return names
    .filter((name) => NOT_HERE.has(name as SettingName))
    .map((name) => `--${name} does nothing with exec`);
}

/** @throws UsageError with these problems, and those of the configuration. */
function load(
  servers: readonly string[],
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
  problems: readonly string[],
): Config {
  try {
    const config = loadConfig(servers, flags, env);
    const count = config.servers.length;
    const tooMany = count > 1 ? [`exec takes one server, and here are ${count}`] : [];
    if (problems.length + tooMany.length > 0) throw new UsageError([...problems, ...tooMany]);
    return config;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError([...new Set([...problems, ...error.problems])]);
  }
}
