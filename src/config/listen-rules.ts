import { isLoopback } from '../loopback.ts';
import { isAdminRemote } from './admin-rules.ts';
import type { Layer } from './layers.ts';
import type { SettingName, Settings } from './settings.ts';

/**
 * Whether a server has a TCP listener: a Unix socket takes its place unless an address is given as well,
 * so that a socket for one user is not by accident beside a port for all.
 */
export function listensOnTcp(settings: Settings, given: Layer): boolean {
  return settings['unix-socket'] === undefined || given.has('address');
}

/** Settings of the local side that contradict each other, would do nothing, or would let anybody in. */
export function listenProblems(settings: Settings, given: Layer): string[] {
  // One that could not be read is a problem already told.
  if (settings.address === undefined || settings['local-auth'] === undefined) return [];
  const name = (setting: SettingName): string => given.get(setting)?.origin ?? `--${setting}`;
  return [
    ...remoteProblems(settings, given, name),
    ...pairProblems(given, name),
    ...sameUserProblems(settings, given, name),
    ...unixSocketProblems(settings, name),
  ];
}

type Name = (setting: SettingName) => string;

/** Whoever reaches the listener acts as the identity. */
function remoteProblems(settings: Settings, given: Layer, name: Name): string[] {
  const { address } = settings;
  const isRemote = listensOnTcp(settings, given) && !isLoopback(address);
  if (!isRemote) {
    if (!settings['allow-remote-clients'] || isAdminRemote(settings)) return [];
    return [`${name('allow-remote-clients')} does nothing: ${address} cannot be reached by other machines`];
  }
  const where = `${name('address')} ${address} can be reached by other machines`;
  const problems: string[] = [];
  if (!settings['allow-remote-clients']) problems.push(`${where}: that needs --allow-remote-clients`);
  if (settings['local-auth'] === 'none')
    problems.push(
      `${where}, and whoever gets there acts as the identity: that needs --local-auth and --local-users-file`,
    );
  if (settings['local-auth'] === 'password' && !given.has('local-tls-cert'))
    problems.push(
      `${where}: passwords would travel in the clear; use --local-auth scram-sha-256, or --local-tls-cert and --local-tls-key`,
    );
  return problems;
}

function pairProblems(given: Layer, name: Name): string[] {
  const problems: string[] = [];
  for (const [one, other] of [
    ['local-tls-cert', 'local-tls-key'],
    ['local-tls-key', 'local-tls-cert'],
  ] as const) {
    if (given.has(one) && !given.has(other)) problems.push(`${name(one)} needs --${other}`);
  }
  const authenticates = (given.get('local-auth')?.text ?? 'none') !== 'none';
  if (authenticates && !given.has('local-users-file'))
    problems.push(`${name('local-auth')} needs --local-users-file`);
  if (!authenticates && given.has('local-users-file'))
    problems.push(`${name('local-users-file')} does nothing without --local-auth`);
  return problems;
}

function sameUserProblems(settings: Settings, given: Layer, name: Name): string[] {
  if (!settings['same-user']) return [];
  if (process.platform !== 'linux')
    return [`${name('same-user')} works on Linux only, where the system tells whose a connection is`];
  if (!listensOnTcp(settings, given))
    return [`${name('same-user')} does nothing with a Unix socket, which is for this user alone anyway`];
  if (!isLoopback(settings.address))
    return [
      `${name('same-user')} does not go with ${name('address')} ${settings.address}: users of other machines cannot be told`,
    ];
  return [];
}

function unixSocketProblems(settings: Settings, name: Name): string[] {
  if (settings['unix-socket'] === undefined || process.platform !== 'win32') return [];
  return [`${name('unix-socket')} does not work on Windows, where Node.js has no Unix sockets: use --port`];
}
