import { type Config, loadConfig, type RawFlags } from '../config/load.ts';
import { UsageError } from '../errors.ts';
import { CHECK, NOT_WITH_CHECK } from './manual/check.ts';
import { parseCommand, print, printHelp } from './parser.ts';

/** @param argv - behind `check` or `doctor`. */
export async function runCheckCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
  const { words, flags, wanted } = await parseCommand(CHECK, argv);
  if (wanted === 'help') return printHelp(CHECK);
  if (wanted === 'version') return print(version);
  const { json, ...settings } = flags;
  const config = load(words, settings, env);
  const { check } = await import('./check.ts');
  return check(config, { isJson: json === true, env, version });
}

/** @throws UsageError with every problem there is. */
function load(servers: readonly string[], flags: RawFlags, env: NodeJS.ProcessEnv): Config {
  const problems = NOT_WITH_CHECK.filter((name) => name in flags).map(
    (name) => `--${name} does nothing with check`,
  );
  try {
    const config = loadConfig(servers, flags, env, Object.keys(CHECK.options ?? {}));
    if (problems.length > 0) throw new UsageError([]);
    return config;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError([...new Set([...problems, ...error.problems])]);
  }
}
