import type { CredentialName } from '../identity/credentials.ts';
import type { FileClientUser } from './file.ts';
import { identityProblems, worksWith } from './identity-rules.ts';
import { type Layer, merge, resolve } from './layers.ts';
import { IDENTITY_SETTING_NAMES, type SettingName, type Settings } from './settings.ts';

/** How a client gets in that names a certain user. */
export type ClientUser =
  | { readonly kind: 'passThrough' }
  | { readonly kind: 'identity'; readonly settings: Settings; readonly given: Layer };

/** Names of one and the same managed identity or application. */
const IDS: readonly SettingName[] = ['client-id', 'object-id', 'resource-id'];

/** Which are the same for all identities of an organisation, whatever their credential. */
const SHARED: readonly SettingName[] = ['tenant-id', 'scope', 'authority-host', 'disable-instance-discovery'];

/**
 * What the file says of a client user, completed with what its server's own identity has.
 *
 * @param server - all that is said of the server.
 */
export function resolveClientUser(
  { passThrough, layer, origin }: FileClientUser,
  server: Layer,
  env: NodeJS.ProcessEnv,
  problems: Set<string>,
): ClientUser {
  if (passThrough) {
    if (layer.size > 0) problems.add(`${origin} is passed through: its other settings do nothing`);
    return { kind: 'passThrough' };
  }
  if (layer.size === 0)
    problems.add(`${origin} says nothing: give user: ROLE, a credential, or pass-through: true`);
  const { settings, given } = resolve(merge(layer, inherited(layer, server)), problems);
  // What is wrong with the server's own identity is told there.
  const found = isAnother(layer) ? identityProblems(settings, given, env) : [];
  for (const problem of found) problems.add(`${origin}: ${problem}`);
  return { kind: 'identity', settings, given };
}

/** Whether it is an identity of its own, rather than another role of the server's. */
function isAnother(own: Layer): boolean {
  return [...own.keys()].some((name) => name !== 'user');
}

/** Of the server's identity, what still makes sense with what this user has of its own. */
function inherited(own: Layer, server: Layer): Layer {
  const credential = own.get('credential')?.text as CredentialName | undefined;
  const isOtherId = IDS.some((name) => own.has(name));
  const names = IDENTITY_SETTING_NAMES.filter((name) => {
    if (name === 'user') return !isAnother(own);
    if (isOtherId && IDS.includes(name)) return false;
    return credential === undefined || (SHARED.includes(name) && worksWith(name, credential));
  });
  return new Map([...server].filter(([name]) => name === 'cloud' || names.includes(name)));
}
