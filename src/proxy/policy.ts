import { ProxyError, SqlState } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import {
  encodeStartupMessage,
  lastParameter,
  type StartupMessage,
  type StartupParameter,
} from '../protocol/startup.ts';
import { printable } from '../redact.ts';

/** How a client gets in: as one of the proxy's identities, or as itself, with its own PostgreSQL password. */
export type ClientLogin =
  | { readonly kind: 'identity'; readonly identity: Identity }
  | { readonly kind: 'passThrough' };

/** What the configuration says about clients' wishes. */
export interface Policy {
  /** For all client users but those named in `clientUsers`. */
  readonly login: ClientLogin;
  readonly clientUsers?: ReadonlyMap<string, ClientLogin> | undefined;
  /** Who may connect, by the user name that they give; undefined for all. */
  readonly allowedUsers?: ReadonlySet<string> | undefined;
  /** Which databases they may have; as in pg_hba.conf, `replication` is physical replication. */
  readonly allowedDatabases?: ReadonlySet<string> | undefined;
  readonly refusesReplication?: boolean | undefined;
  /** The database for clients that name none; without it, PostgreSQL's own rule: named like the user. */
  readonly database?: string | undefined;
  /** Added to what the client itself gives as `options`. */
  readonly options?: string | undefined;
}

/** A login as the client asked for it, less the user: whose place the role takes. */
export interface LoginPlan {
  readonly login: ClientLogin;
  readonly protocolVersion: number;
  /** Who the client said it was. */
  readonly clientUser: string;
  readonly database: Buffer;
  readonly applicationName: string;
  /** Everything but `user` and `database`, in the client's order, with the `options` of the policy. */
  readonly parameters: readonly StartupParameter[];
}

/**
 * Decides what to ask the server for, before any network. The database is pinned to what the client
 * would have got from the server itself, because without one it would follow the role instead.
 *
 * @throws {@link ProxyError} 28000 if the client names neither a database nor a user, or if the policy has
 *   nothing of the kind for it.
 */
export function planLogin(startup: StartupMessage, policy: Policy): LoginPlan {
  const { protocolVersion, parameters } = startup;
  const user = lastParameter(parameters, 'user');
  const clientUser = user?.toString() ?? '';
  const login = policy.clientUsers?.get(clientUser) ?? policy.login;
  const fallback = policy.database === undefined ? user : Buffer.from(policy.database);
  const database = lastParameter(parameters, 'database') ?? fallback;
  if (database === undefined) {
    throw new ProxyError(SqlState.invalidAuthorization, 'the client names neither a database nor a user', {
      hint: 'Name the database in the client, or start the proxy with --database NAME.',
    });
  }
  refuseUnwanted(policy, clientUser, database.toString(), lastParameter(parameters, 'replication'));
  return {
    login,
    protocolVersion,
    clientUser,
    database,
    applicationName: lastParameter(parameters, 'application_name')?.toString() ?? '',
    parameters: withOptions(
      parameters.filter(({ name }) => name !== 'user' && name !== 'database'),
      login.kind === 'identity' ? policy.options : undefined,
    ),
  };
}

/** What the server takes for no; anything else asks for replication, or will be refused by the server itself. */
const NO = /^(?:f(?:a(?:l(?:s(?:e)?)?)?)?|no?|off?|0)$/i;

function refuseUnwanted(
  { allowedUsers, allowedDatabases, refusesReplication = false }: Policy,
  user: string,
  database: string,
  replication: Buffer | undefined,
): void {
  if (allowedUsers?.has(user) === false)
    throw refused(`user "${printable(user)}" may not connect`, '--allow-users');
  const mode = replication?.toString() ?? 'no';
  const replicates = !NO.test(mode);
  if (replicates && refusesReplication) throw refused('replication is refused', '--refuse-replication');
  // Physical replication is of all databases.
  const wanted = replicates && mode !== 'database' ? 'replication' : database;
  if (allowedDatabases?.has(wanted) === false)
    throw refused(`database "${printable(wanted)}" may not be connected to`, '--allow-databases');
}

function refused(what: string, setting: string): ProxyError {
  return new ProxyError(SqlState.invalidAuthorization, `${what} through this proxy`, {
    hint: `That is what its configuration says (${setting}).`,
  });
}

function withOptions(
  parameters: readonly StartupParameter[],
  options: string | undefined,
): readonly StartupParameter[] {
  if (options === undefined) return parameters;
  const own = lastParameter(parameters, 'options');
  const value = own === undefined ? Buffer.from(options) : Buffer.concat([own, Buffer.from(` ${options}`)]);
  return [...parameters.filter(({ name }) => name !== 'options'), { name: 'options', value }];
}

/** The StartupMessage that logs in as `role`. */
export function encodePlan(plan: LoginPlan, role: string): Buffer {
  const { protocolVersion, database, parameters } = plan;
  return encodeStartupMessage({
    protocolVersion,
    parameters: [
      { name: 'user', value: Buffer.from(role) },
      { name: 'database', value: database },
      ...parameters,
    ],
  });
}
