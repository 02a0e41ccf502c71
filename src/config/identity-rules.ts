import { CREDENTIALS, type CredentialName } from '../identity/credentials.ts';
import type { Layer } from './layers.ts';
import { SETTINGS, type Setting, type SettingName, type Settings } from './settings.ts';

const ENTRA = CREDENTIALS.filter((name) => name !== 'token-file' && name !== 'token-command');

/** Credentials that talk to Entra themselves, rather than through a tool or a machine's endpoint. */
const DIRECT: readonly CredentialName[] = [
  'default',
  'workload-identity',
  'environment',
  'client-secret',
  'client-certificate',
  'interactive',
  'device-code',
];

/** Identity settings that only some credentials look at: given with another, they would do nothing. */
const NEEDS_CREDENTIAL: Readonly<Partial<Record<SettingName, readonly CredentialName[]>>> = {
  'client-id': [
    'default',
    'managed-identity',
    'workload-identity',
    'client-secret',
    'client-certificate',
    'interactive',
    'device-code',
  ],
  'object-id': ['managed-identity'],
  'resource-id': ['managed-identity'],
  'tenant-id': ENTRA.filter((name) => name !== 'managed-identity' && name !== 'environment'),
  'client-secret-file': ['client-secret'],
  'client-certificate-file': ['client-certificate'],
  'token-file': ['token-file'],
  'token-command': ['token-command'],
  scope: ENTRA,
  'authority-host': DIRECT,
  'disable-instance-discovery': DIRECT,
};

/** What a credential cannot do without: a setting, or the variable that Azure's own tools use for it. */
const NEEDS_SETTING: Readonly<Partial<Record<CredentialName, readonly (readonly [SettingName, string?])[]>>> =
  {
    'client-secret': [
      ['tenant-id', 'AZURE_TENANT_ID'],
      ['client-id', 'AZURE_CLIENT_ID'],
      ['client-secret-file', 'AZURE_CLIENT_SECRET'],
    ],
    'client-certificate': [
      ['tenant-id', 'AZURE_TENANT_ID'],
      ['client-id', 'AZURE_CLIENT_ID'],
      ['client-certificate-file', 'AZURE_CLIENT_CERTIFICATE_PATH'],
    ],
    'token-file': [['token-file']],
    'token-command': [['token-command']],
  };

/** Identity settings that contradict each other, are missing, or would do nothing. */
export function identityProblems({ credential }: Settings, given: Layer, env: NodeJS.ProcessEnv): string[] {
  // One that could not be read is a problem already told.
  if (credential === undefined) return [];
  return [...unused(credential, given), ...missing(credential, given, env), ...ambiguous(given)];
}

/** Whether a credential looks at a setting. */
export function worksWith(name: SettingName, credential: CredentialName): boolean {
  return NEEDS_CREDENTIAL[name]?.includes(credential) ?? true;
}

/** A switch that is off does nothing anywhere. */
function isOff(name: SettingName, text: string): boolean {
  return (SETTINGS[name] as Setting<unknown>).isSwitch === true && ['false', '0', 'no', 'off'].includes(text);
}

function unused(credential: CredentialName, given: Layer): string[] {
  return [...given]
    .filter(([name, { text }]) => !worksWith(name, credential) && !isOff(name, text))
    .map(([name, { origin }]) => {
      const needed = NEEDS_CREDENTIAL[name]?.join(', ');
      return `${origin} does nothing with --credential ${credential}: it goes with ${needed}`;
    });
}

function missing(credential: CredentialName, given: Layer, env: NodeJS.ProcessEnv): string[] {
  return (NEEDS_SETTING[credential] ?? [])
    .filter(([name, variable]) => !given.has(name) && (variable === undefined || !env[variable]))
    .map(([name, variable]) => {
      const either = variable === undefined ? '' : ` or the environment variable ${variable}`;
      return `--credential ${credential} needs --${name}${either}`;
    });
}

function ambiguous(given: Layer): string[] {
  const ids = (['client-id', 'object-id', 'resource-id'] as const).filter((name) => given.has(name));
  if (ids.length < 2) return [];
  return [`--${ids.join(' and --')} name the same identity in different ways: give one of them`];
}
