import { isLoopback } from '../loopback.ts';
import type { Layer } from './layers.ts';
import { SETTINGS, type SettingName, type Settings } from './settings.ts';

/** Whether there is an admin listener that other machines can reach. */
export function isAdminRemote(settings: Settings): boolean {
  const { 'admin-address': address, 'admin-port': port } = settings;
  // An address that could not be read is a problem already told.
  return port !== undefined && address !== undefined && !isLoopback(address);
}

/** Settings of the admin listener that would do nothing, or would let others in unasked. */
export function adminProblems(settings: Settings, given: Layer): string[] {
  const name = (setting: SettingName): string => given.get(setting)?.origin ?? `--${setting}`;
  if (!given.has('admin-port')) {
    // Whoever says what is so anyway, such as --print-config, is right.
    const isIdle = (one: 'admin-address' | 'admin-quit'): boolean =>
      given.has(one) && String(settings[one]) !== SETTINGS[one].default;
    const idle = (['admin-address', 'admin-quit'] as const).filter(isIdle);
    return idle.map((one) => `${name(one)} does nothing without --admin-port`);
  }
  if (!isAdminRemote(settings) || settings['allow-remote-clients']) return [];
  const where = `${name('admin-address')} ${settings['admin-address']} can be reached by other machines`;
  return [`${where}: that needs --allow-remote-clients`];
}
