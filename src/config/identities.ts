import { UsageError } from '../errors.ts';
import { resolveClientUser } from './client-users.ts';
import { CLOUDS, type Cloud } from './clouds.ts';
import { identityProblems } from './identity-rules.ts';
import {
  loadConfig,
  type RawFlags,
  readProgram,
  type ServerConfig,
  scopeProblems,
  unknownVariables,
} from './load.ts';
import { PRESETS } from './presets.ts';
import type { Settings } from './settings.ts';

/** Whom the proxy would log in as somewhere, as the configuration describes it. */
export interface ConfiguredIdentity {
  readonly settings: Settings;
  readonly cloud: Cloud;
  /** What a token must be for; undefined where only the server knows. */
  readonly scope: string | undefined;
  /** Who uses it, in words; undefined without servers and client users. */
  readonly usedBy: string | undefined;
}

export interface ConfiguredIdentities {
  readonly identities: readonly ConfiguredIdentity[];
  /** What is odd but harmless. */
  readonly warnings: readonly string[];
}

/**
 * The identities of a configuration: those of its servers, or where it has none, the one that its settings
 * describe.
 *
 * @param servers - may be none.
 * @throws {@link UsageError} with every problem there is.
 */
export function loadIdentities(
  servers: readonly string[],
  flags: RawFlags,
  env: NodeJS.ProcessEnv,
): ConfiguredIdentities {
  const problems = new Set<string>();
  const { file, settings, given } = readProgram(flags, env, problems);
  if (servers.length > 0 || file.servers.length > 0 || !file.isUsable) {
    const { servers: loaded, warnings } = loadConfig(servers, flags, env);
    return { identities: loaded.flatMap(identitiesOf), warnings };
  }
  for (const problem of identityProblems(settings, given, env)) problems.add(problem);
  if (settings.preset !== undefined)
    for (const problem of scopeProblems(settings, given)) problems.add(problem);
  const clientUsers = [...file.clientUsers].map(
    ([name, user]) => [name, resolveClientUser(user, given, env, problems)] as const,
  );
  if (problems.size > 0) throw new UsageError([...problems]);
  const cloud = CLOUDS[settings.cloud];
  const common = { settings, cloud, clientUsers: new Map(clientUsers) };
  return { identities: withClientUsers(common, ''), warnings: unknownVariables(env) };
}

function identitiesOf(server: ServerConfig): ConfiguredIdentity[] {
  return withClientUsers(server, server.server.host);
}

/** @param host - empty if there is no server. */
function withClientUsers(
  { settings, cloud, clientUsers }: Pick<ServerConfig, 'settings' | 'cloud' | 'clientUsers'>,
  host: string,
): ConfiguredIdentity[] {
  const at = host === '' ? '' : ` of ${host}`;
  const identity = (own: Settings, usedBy: string | undefined): ConfiguredIdentity => {
    const scope = own.scope ?? (PRESETS[settings.preset].isAzure ? cloud.scope : undefined);
    return { settings: own, cloud, scope, usedBy };
  };
  const others = [...clientUsers].flatMap(([name, user]) =>
    user.kind === 'identity' ? [identity(user.settings, `client user ${name}${at}`)] : [],
  );
  const own = host === '' && others.length > 0 ? 'all other client users' : host;
  return [identity(settings, own === '' ? undefined : own), ...others];
}
