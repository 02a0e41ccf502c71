import { UsageError } from '../errors.ts';
import { CLOUDS, type Cloud } from './clouds.ts';
import { identityProblems } from './identity-rules.ts';
import { parseServer, type ServerArgument } from './parsers.ts';
import { PRESETS, type Preset } from './presets.ts';
import { SETTINGS, type Setting, type SettingName, type Settings } from './settings.ts';

/** What a command line parser hands over: flag to text, without anything made of it yet. */
export type RawFlags = Readonly<Record<string, unknown>>;

export interface Config {
  readonly server: ServerArgument;
  readonly settings: Settings;
  readonly cloud: Cloud;
  readonly preset: Preset;
  /** Which settings somebody gave, by flag or environment. */
  readonly given: ReadonlySet<SettingName>;
  /** What is odd but harmless. */
  readonly warnings: readonly string[];
}

const ENV_PREFIX = 'PGEP_';

const NAMES = Object.keys(SETTINGS) as SettingName[];

/**
 * The configuration of `run`: flag before environment (`PGEP_` and the flag in upper snake case) before
 * default.
 *
 * @throws {@link UsageError} with every problem there is.
 */
export function loadConfig(servers: readonly string[], flags: RawFlags, env: NodeJS.ProcessEnv): Config {
  const problems = unknownFlags(flags);
  const given = new Set<SettingName>();
  const values: Record<string, unknown> = {};
  for (const name of NAMES) {
    try {
      values[name] = readSetting(name, flags[name], env[envName(name)], given);
    } catch (error) {
      const origin = flags[name] === undefined ? envName(name) : `--${name}`;
      problems.push(`${origin} ${(error as Error).message}`);
    }
  }
  const settings = values as unknown as Settings;
  // Where the cloud itself is a problem, any will do to find the others.
  const cloud = CLOUDS[settings.cloud ?? 'public'];
  const preset: Preset = PRESETS[settings.preset ?? 'azure'];
  const server = readServer(servers, preset.isAzure ? cloud.hostSuffix : undefined, problems);
  problems.push(...identityProblems(settings, given, env), ...portProblems(settings, given, server));
  if (!preset.isAzure) problems.push(...foreignServerProblems(settings, given));
  if (problems.length > 0 || server === undefined) throw new UsageError(problems);
  return { server, settings, cloud, preset, given, warnings: unknownVariables(env) };
}

function envName(name: SettingName): string {
  return ENV_PREFIX + name.toUpperCase().replaceAll('-', '_');
}

function readSetting(
  name: SettingName,
  raw: unknown,
  env: string | undefined,
  given: Set<SettingName>,
): unknown {
  const setting: Setting<unknown> = SETTINGS[name];
  if (Array.isArray(raw)) throw new Error('is given more than once');
  const text = raw === undefined ? env : flagText(raw, setting);
  if (text !== undefined) given.add(name);
  const effective = text ?? setting.default;
  return effective === undefined ? undefined : setting.parse(effective);
}

/** A flag's text; one without a value, which parsers give as a boolean, is empty unless it is a switch. */
function flagText(raw: unknown, { isSwitch }: Setting<unknown>): string {
  if (typeof raw === 'boolean') return isSwitch ? String(raw) : '';
  return String(raw);
}

function readServer(
  servers: readonly string[],
  hostSuffix: string | undefined,
  problems: string[],
): ServerArgument | undefined {
  const [server, ...others] = servers;
  if (server === undefined) {
    problems.push('which server? Give its name: pg-entra-proxy myserver');
    return undefined;
  }
  if (others.length > 0)
    problems.push(`one server at a time in this version, not also "${others.join('", "')}"`);
  try {
    return parseServer(server, hostSuffix);
  } catch (error) {
    problems.push(`<server> ${(error as Error).message}`);
    return undefined;
  }
}

/** What is known of Azure's servers, and has to be said of others. */
function foreignServerProblems({ preset, credential }: Settings, given: ReadonlySet<SettingName>): string[] {
  const problems: string[] = [];
  if (!given.has('ca'))
    problems.push(`--preset ${preset} needs --ca: the PEM file of the server's CA, or system`);
  const hasScope = given.has('scope') || credential === 'token-file' || credential === 'token-command';
  if (!hasScope)
    problems.push(`--preset ${preset} needs --scope: that of the application, such as api://ID/.default`);
  return problems;
}

function portProblems(
  settings: Settings,
  given: ReadonlySet<SettingName>,
  server: ServerArgument | undefined,
): string[] {
  const port = settings['upstream-port'];
  if (server?.port === undefined || !given.has('upstream-port') || server.port === port) return [];
  return [`the server's port is given twice: :${server.port} and --upstream-port ${port}`];
}

function unknownFlags(flags: RawFlags): string[] {
  return Object.keys(flags)
    .filter((name) => !Object.hasOwn(SETTINGS, name))
    .map((name) => `${name.length === 1 ? '-' : '--'}${name} is not a flag of pg-entra-proxy`);
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(NAMES.map(envName));
  return Object.keys(env)
    .filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name))
    .map((name) => `the environment variable ${name} is not a setting of pg-entra-proxy`);
}
