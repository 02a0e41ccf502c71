import type { SettingName, Settings } from '../config/settings.ts';

/** What takes the place of settings that say who may come, and where. */
export const LISTENING = {
  address: '127.0.0.1',
  'local-tls-cert': undefined,
  'local-tls-key': undefined,
  'local-auth': 'none',
  'local-users-file': undefined,
  'same-user': false,
  'allow-remote-clients': false,
  'allow-users': undefined,
} as const satisfies Partial<Settings>;

/** Settings that a private proxy decides itself. */
export const NOT_PRIVATE: readonly SettingName[] = [
  ...(Object.keys(LISTENING) as SettingName[]),
  'port',
  'unix-socket',
];
