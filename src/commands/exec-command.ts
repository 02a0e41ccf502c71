import { type Config, loadConfig, type RawFlags } from '../config/load.ts';
import { SETTINGS, type SettingName } from '../config/settings.ts';
import { UsageError } from '../errors.ts';
import { EXEC, NOT_WITH_EXEC } from './manual/exec.ts';
import { parseCommand, print, printHelp } from './parser.ts';

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
  const { words, flags, wanted } = await parseCommand(EXEC, own);
  if (wanted === 'help') return printHelp(EXEC);
  if (wanted === 'version') return print(version);
  const { tcp, 'url-env': urlName, ...settings } = flags;
  const problems = [...ownProblems(command, tcp, urlName), ...misplaced(settings)];
  const config = load(words, settings, env, problems);
  const { exec } = await import('./exec.ts');
  return exec(config, { command, tcp: tcp === true, urlName: urlName as string | undefined, env, version });
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
    .filter((name) => NOT_WITH_EXEC.has(name as SettingName))
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
    const config = loadConfig(servers, flags, env, Object.keys(EXEC.options ?? {}));
    const count = config.servers.length;
    const tooMany = count > 1 ? [`exec takes one server, and here are ${count}`] : [];
    if (problems.length + tooMany.length > 0) throw new UsageError([...problems, ...tooMany]);
    return config;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError([...new Set([...problems, ...error.problems])]);
  }
}
