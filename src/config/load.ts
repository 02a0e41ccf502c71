import { UsageError } from '../errors.ts';
import { adminProblems } from './admin-rules.ts';
import { type ClientUser, resolveClientUser } from './client-users.ts';
import { CLOUDS, type Cloud } from './clouds.ts';
import { type FileConfig, type FileServer, NO_FILE, readConfigFile } from './file.ts';
import { identityProblems } from './identity-rules.ts';
import { type Given, type Layer, merge, resolve } from './layers.ts';
import { listenProblems, listensOnTcp } from './listen-rules.ts';
import { parseServer, type ServerArgument } from './parsers.ts';
import { PRESETS, type Preset } from './presets.ts';
import { readServerArgument } from './server-argument.ts';
import { SETTING_NAMES, SETTINGS, type Setting, type SettingName, type Settings } from './settings.ts';
import { didYouMean } from './suggestion.ts';

/** What a command line parser hands over: flag to text, without anything made of it yet. */
export type RawFlags = Readonly<Record<string, unknown>>;

export interface Config {
  /** Those of the whole program count; the rest are what servers have that say nothing else. */
  readonly settings: Settings;
  /** Who gave them, where they are not defaults. */
  readonly given: Layer;
  readonly servers: readonly ServerConfig[];
  /** What is odd but harmless. */
  readonly warnings: readonly string[];
}

/** One server, and all that is said of it. */
export interface ServerConfig {
  readonly server: ServerArgument;
  readonly settings: Settings;
  /** Who gave the settings that are not defaults. */
  readonly given: Layer;
  readonly cloud: Cloud;
  readonly preset: Preset;
  /** By the user name that a client gives. */
  readonly clientUsers: ReadonlyMap<string, ClientUser>;
}

/** A server as it is said, in the order of precedence. */
interface ServerSource {
  readonly server: Given;
  readonly given: Layer;
  /** Whether the local port is this server's own, rather than what all count up from. */
  readonly hasOwnPort: boolean;
  readonly clientUsers: FileConfig['clientUsers'];
}

const ENV_PREFIX = 'PGEP_';

/** The highest TCP port. */
const MAX_PORT = 65_535;

/**
 * The configuration of `run`: flag before environment (`PGEP_` and the flag in upper snake case) before
 * file before default. A server's own query on the command line goes before flags, which are for all.
 *
 * @param servers - `name`, `name:port`, each with `?setting=value&...` or not.
 * @param ownFlags - which flags the command has besides settings; they are not among the others any more.
 * @throws {@link UsageError} with every problem there is.
 */
export function loadConfig(
  servers: readonly string[],
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
  ownFlags: readonly string[] = [],
): Config {
  const problems = new Set<string>();
  const { said, path, file, settings, given } = readProgram(flags, env, problems, ownFlags);
  for (const problem of adminProblems(settings, given)) problems.add(problem);
  if (servers.length > 0 && file.servers.length > 0)
    problems.add(`servers are given on the command line and in ${path}: give them in one place`);
  const sources = [
    ...servers.map((text) => fromArgument(text, said, file, problems)),
    ...file.servers.map((server) => fromFile(server, said, file)),
  ];
  // A file that has problems may well name one.
  if (sources.length === 0 && file.isUsable)
    problems.add('which server? Give its name: pg-entra-proxy myserver');
  const loaded = countPorts(sources, settings.port, problems).map((source) =>
    loadServer(source, env, problems),
  );
  // With ports that cannot be, nothing is to be said about who shares them.
  if (problems.size === 0) for (const problem of sharedListeners(loaded)) problems.add(problem);
  if (problems.size > 0) throw new UsageError([...problems]);
  return { settings, given, servers: loaded, warnings: unknownVariables(env) };
}

/**
 * What the program's own settings are, for commands that need no server.
 *
 * @throws {@link UsageError} with every problem there is.
 */
export function loadProgramSettings(flags: RawFlags, env: NodeJS.ProcessEnv): Settings {
  const problems = new Set<string>();
  const { settings } = readProgram(flags, env, problems);
  if (problems.size > 0) throw new UsageError([...problems]);
  return settings;
}

/** What is said of the program as a whole, and by whom. */
export function readProgram(
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
  problems: Set<string>,
  ownFlags: readonly string[] = [],
) {
  const said = merge(readFlags(flags, ownFlags, problems), readEnvironment(env));
  const path = said.get('config')?.text;
  const file = path === undefined ? NO_FILE : readConfigFile(path, problems);
  const { settings, given } = resolve(merge(said, file.layer), problems);
  return { said, path, file, settings, given };
}

function fromArgument(text: string, said: Layer, file: FileConfig, problems: Set<string>): ServerSource {
  const { server, layer } = readServerArgument(text, problems);
  const given = merge(layer, said, file.layer);
  return { server, given, hasOwnPort: layer.has('port'), clientUsers: file.clientUsers };
}

function fromFile({ server, layer, clientUsers }: FileServer, said: Layer, file: FileConfig): ServerSource {
  return {
    server,
    given: merge(said, layer, file.layer),
    hasOwnPort: layer.has('port') && !said.has('port'),
    clientUsers: new Map([...file.clientUsers, ...clientUsers]),
  };
}

/** Gives the servers that have no local port of their own the first one, the next, and so on; 0 is any. */
function countPorts(
  sources: readonly ServerSource[],
  first: number | undefined,
  problems: Set<string>,
): ServerSource[] {
  let next = first ?? 0;
  return sources.map((source) => {
    if (source.hasOwnPort) return source;
    if (next > MAX_PORT) problems.add(`${source.server.text}: no port is left from ${first} on`);
    const text = String(Math.min(next, MAX_PORT));
    if (next > 0) next += 1;
    const said = source.given.get('port')?.origin ?? 'default';
    const origin = text === String(first) ? said : `${said}, counted up`;
    return { ...source, given: merge(new Map([['port', { text, origin }]]), source.given) };
  });
}

/** Two servers cannot have one listener. */
function sharedListeners(servers: readonly ServerConfig[]): string[] {
  const byListener = Map.groupBy(servers, listenerOf);
  return [...byListener].flatMap(([listener, [one, other]]) =>
    listener === undefined || one === undefined || other === undefined
      ? []
      : [`${one.server.host} and ${other.server.host} cannot both listen on ${listener}`],
  );
}

/** What a server listens on, in words; undefined if that will only be known then. */
function listenerOf({ settings, given }: ServerConfig): string | undefined {
  const { address, port, 'unix-socket': path } = settings;
  if (listensOnTcp(settings, given)) return port === 0 ? undefined : `${address}:${port}`;
  return `${path} (port ${port})`;
}

function loadServer(source: ServerSource, env: NodeJS.ProcessEnv, problems: Set<string>): ServerConfig {
  const { settings, given } = resolve(source.given, problems);
  // Where the cloud itself is a problem, any will do to find the others.
  const cloud = CLOUDS[settings.cloud ?? 'public'];
  const preset: Preset = PRESETS[settings.preset ?? 'azure'];
  const server = readServer(source.server, preset.isAzure ? cloud.hostSuffix : undefined, problems);
  const found = [
    ...identityProblems(settings, given, env),
    ...listenProblems(settings, given),
    ...portProblems(given, server),
    ...(preset.isAzure ? [] : foreignServerProblems(settings, given)),
  ];
  for (const problem of found) problems.add(problem);
  const clientUsers = [...source.clientUsers].map(
    ([name, user]) => [name, resolveClientUser(user, given, env, problems)] as const,
  );
  return { server, settings, given, cloud, preset, clientUsers: new Map(clientUsers) };
}

function readServer(
  { text, origin }: Given,
  hostSuffix: string | undefined,
  problems: Set<string>,
): ServerArgument {
  try {
    return parseServer(text, hostSuffix);
  } catch (error) {
    problems.add(`${origin} ${(error as Error).message}`);
    return { host: text };
  }
}

function readFlags(flags: RawFlags, ownFlags: readonly string[], problems: Set<string>): Layer {
  const layer = new Map<SettingName, Given>();
  for (const [flag, value] of Object.entries(flags)) {
    const origin = `${flag.length === 1 ? '-' : '--'}${flag}`;
    const name = SETTING_NAMES.find((one) => one === flag);
    if (name === undefined)
      problems.add(
        `${origin} is not a flag of pg-entra-proxy${nearFlag(flag, [...ownFlags, ...SETTING_NAMES])}`,
      );
    else if (Array.isArray(value) && !(SETTINGS[name] as Setting<unknown>).isList)
      problems.add(`${origin} is given more than once`);
    else layer.set(name, { text: flagText(value, SETTINGS[name]), origin });
  }
  return layer;
}

/** The flag that was probably meant, as a question. */
export function nearFlag(flag: string, flags: readonly string[]): string {
  return didYouMean(flag, flags, (name) => `--${name}`);
}

/** A flag's text; one without a value, which parsers give as a boolean, is empty unless it is a switch. */
function flagText(raw: unknown, setting: Setting<unknown>): string {
  if (Array.isArray(raw)) return raw.map((one) => flagText(one, setting)).join(',');
  if (typeof raw === 'boolean') return setting.isSwitch ? String(raw) : '';
  return String(raw);
}

function readEnvironment(env: NodeJS.ProcessEnv): Layer {
  const variables = SETTING_NAMES.map((name) => [name, env[envName(name)], envName(name)] as const);
  return new Map(
    variables.flatMap(([name, text, origin]) => (text === undefined ? [] : [[name, { text, origin }]])),
  );
}

/** The variable that says the same as a flag. */
export function envName(name: SettingName): string {
  return ENV_PREFIX + name.toUpperCase().replaceAll('-', '_');
}

/** Variables that look like settings. */
export function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(SETTING_NAMES.map(envName));
  const unknown = Object.keys(env).filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name));
  return unknown.map((name) => {
    const meant = didYouMean(name.slice(ENV_PREFIX.length), SETTING_NAMES, (one) =>
      envName(one as SettingName),
    );
    return `the environment variable ${name} is not a setting of pg-entra-proxy${meant}`;
  });
}

/** What is known of Azure's servers, and has to be said of others. */
function foreignServerProblems(settings: Settings, given: Layer): string[] {
  const { preset } = settings;
  const problems: string[] = [];
  if (!given.has('ca'))
    problems.push(`--preset ${preset} needs --ca: the PEM file of the server's CA, or system`);
  return [...problems, ...scopeProblems(settings, given)];
}

/** What a token is to be asked for with is only known of Azure's own servers. */
export function scopeProblems({ preset, credential }: Settings, given: Layer): string[] {
  const isKnown = given.has('scope') || PRESETS[preset].isAzure;
  if (isKnown || credential === 'token-file' || credential === 'token-command') return [];
  return [`--preset ${preset} needs --scope: that of the application, such as api://ID/.default`];
}

function portProblems(given: Layer, { port }: ServerArgument): string[] {
  const other = given.get('upstream-port');
  if (port === undefined || other === undefined || other.text === String(port)) return [];
  return [`the server's port is given twice: :${port} and ${other.origin} ${other.text}`];
}
