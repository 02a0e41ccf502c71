import type { ClientUser } from '../../config/client-users.ts';
import type { ServerConfig } from '../../config/load.ts';
import { UsageError } from '../../errors.ts';
import { readUserNames } from '../../local/users-file.ts';
import { printable } from '../../redact.ts';
import type { Target } from './target.ts';

/** Stands for a user whom only a file knows that cannot be read here. */
const USER = 'YOUR-USER';

/** For proxies that do not care. */
const ANYONE = ['anyone', 'anybody', 'someone'];

/** Longer lists are cut. */
const MAX_NAMES = 20;

/** Whom a client says it is, and what it should know of that. */
interface ChosenUser extends Pick<Target, 'user' | 'needsPassword'> {
  /** In whole sentences. */
  readonly remarks: readonly string[];
}

/**
 * The user name for a server's clients: the one asked for, else one that certainly gets in as the server's own
 * identity.
 *
 * @throws Error with the reason why the one asked for does not get in.
 */
export async function chooseUser(server: ServerConfig, wanted: string | undefined): Promise<ChosenUser> {
  const { settings, clientUsers } = server;
  const asksPassword = settings['local-auth'] !== 'none';
  const path = settings['local-users-file'] ?? '';
  const known = asksPassword ? await readNames(path) : undefined;
  const allowed = settings['allow-users'];
  if (wanted !== undefined) refuseStranger(wanted, server, known?.names);
  const user = wanted ?? choose(server, known?.names);
  const isPassedThrough = clientUsers.get(user)?.kind === 'passThrough';
  return {
    user,
    needsPassword: asksPassword || isPassedThrough,
    remarks: [
      ...(isPassedThrough ? [`${user} is passed through: the password is its own on the server.`] : []),
      ...(known === undefined ? [] : [passwordRemark(path, known)]),
      ...(asksPassword || allowed !== undefined ? [] : ['Any user name will do, and no password is needed.']),
      ...(allowed === undefined ? [] : [`Only these users may connect: ${list(allowed)}.`]),
      ...clientUserRemarks(clientUsers),
    ],
  };
}

function choose({ settings, clientUsers }: ServerConfig, known: readonly string[] | undefined): string {
  const allowed = settings['allow-users'];
  const isAllowed = (name: string): boolean => allowed?.includes(name) ?? true;
  const candidates = (known ?? allowed)?.filter(isAllowed);
  const own = candidates?.find((name) => !clientUsers.has(name)) ?? candidates?.[0];
  if (own !== undefined) return own;
  if (settings['local-auth'] !== 'none') return USER;
  const names = settings.user === 'auto' ? ANYONE : [settings.user, ...ANYONE];
  return names.find((name) => !clientUsers.has(name)) ?? USER;
}

function refuseStranger(
  wanted: string,
  { settings, clientUsers }: ServerConfig,
  known: readonly string[] | undefined,
): void {
  if (settings['allow-users']?.includes(wanted) === false)
    throw new Error(`user "${printable(wanted)}" may not connect: --allow-users does not have it`);
  if (clientUsers.get(wanted)?.kind === 'passThrough') return;
  if (known?.includes(wanted) === false)
    throw new Error(`user "${printable(wanted)}" is not in ${settings['local-users-file']}`);
}

/** What a users file says; the reason where it cannot be used here: whoever runs the proxy may be somebody else. */
type LocalUserNames =
  | { readonly names: readonly string[] }
  | { readonly names: undefined; readonly reason: string };

async function readNames(path: string): Promise<LocalUserNames> {
  try {
    return { names: await readUserNames(path) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { names: undefined, reason: error.problems[0] ?? '' };
  }
}

function passwordRemark(path: string, known: LocalUserNames): string {
  return known.names === undefined
    ? `Users and passwords are those of --local-users-file, which cannot be read here: ${known.reason}`
    : `Users and passwords are those of ${path}: ${list(known.names)}.`;
}

function clientUserRemarks(clientUsers: ReadonlyMap<string, ClientUser>): string[] {
  if (clientUsers.size === 0) return [];
  const users = [...clientUsers].map(([name, user]) => `${name} (${loginOf(user)})`);
  return [`Some users have a login of their own (--as NAME is for them): ${list(users)}.`];
}

function loginOf(user: ClientUser): string {
  if (user.kind === 'passThrough') return 'with its own PostgreSQL password';
  const role = user.settings.user;
  return role === 'auto' ? 'another identity' : `role ${role}`;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => printable(name));
  const rest = names.length - shown.length;
  return `${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
