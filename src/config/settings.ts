import { CREDENTIALS } from '../identity/credentials.ts';
import { LOG_LEVELS } from '../log.ts';
import { readRoots } from '../upstream/trust.ts';
import { CLOUD_NAMES } from './clouds.ts';
import { parsePins } from './parse-pins.ts';
import {
  type Parser,
  parseAddress,
  parseChoice,
  parseDuration,
  parseHost,
  parseHttpsUrl,
  parseInteger,
  parseList,
  parseSwitch,
  parseText,
  parseTimeout,
} from './parsers.ts';
import { PRESET_NAMES } from './presets.ts';

type Group = 'Listen' | 'Identity' | 'Upstream' | 'Life' | 'Admin' | 'Output';

/** One setting: flag, environment variable and help derive from it. */
export interface Setting<T> {
  readonly group: Group;
  readonly help: string;
  readonly parse: Parser<T>;
  /** What stands for its value in help, where that is not what its parser says. */
  readonly value?: string;
  /** As a user would write it. */
  readonly default?: string;
  /** A switch: on where it is given, and takes no value. */
  readonly isSwitch?: true;
  /** Several values: with commas between them, and a list in the file. */
  readonly isList?: true;
}

interface DefaultedSetting<T> extends Setting<T> {
  readonly default: string;
}

const LOCAL_AUTH_METHODS = ['none', 'password', 'scram-sha-256'] as const;

const flag = { parse: parseSwitch, default: 'false', isSwitch: true } as const;

/** Every setting of `run`, declared once. */
export const SETTINGS = {
  address: {
    group: 'Listen',
    help: 'address to listen on; localhost: both 127.0.0.1 and ::1',
    value: 'ADDRESS',
    parse: parseAddress,
    default: '127.0.0.1',
  },
  port: {
    group: 'Listen',
    help: 'port to listen on; 0 for any free one',
    parse: parseInteger(0, 65_535),
    default: '6432',
  },
  'unix-socket': {
    group: 'Listen',
    help: 'a Unix socket instead: a directory (for .s.PGSQL.PORT in it), or its path; with --address too: both',
    value: 'PATH',
    parse: parseText,
  },
  'local-tls-cert': {
    group: 'Listen',
    help: 'a PEM file with the certificate chain for clients that want TLS',
    value: 'FILE',
    parse: parseText,
  },
  'local-tls-key': {
    group: 'Listen',
    help: 'a PEM file with its private key',
    value: 'FILE',
    parse: parseText,
  },
  'local-auth': {
    group: 'Listen',
    help: `what clients must prove: ${LOCAL_AUTH_METHODS.join(', ')}`,
    value: 'METHOD',
    parse: parseChoice(LOCAL_AUTH_METHODS),
    default: 'none',
  },
  'local-users-file': {
    group: 'Listen',
    help: 'who may connect: lines of "user" "password or SCRAM verifier"',
    value: 'FILE',
    parse: parseText,
  },
  'same-user': {
    group: 'Listen',
    help: 'only processes of the user that the proxy runs as (Linux)',
    ...flag,
  },
  'allow-remote-clients': {
    group: 'Listen',
    help: 'listen on an address that other machines can reach; needs --local-auth',
    ...flag,
  },
  'allow-users': {
    group: 'Listen',
    help: 'the only user names that clients may give, with commas between them',
    parse: parseList,
    isList: true,
  },
  'allow-databases': {
    group: 'Listen',
    help: 'the only databases that clients may have, with commas between them',
    parse: parseList,
    isList: true,
  },
  'refuse-replication': { group: 'Listen', help: 'refuse clients that want to replicate', ...flag },
  'max-sessions': {
    group: 'Listen',
    help: 'sessions at the same time; the next gets 53300',
    parse: parseInteger(1, 100_000),
    default: '1000',
  },
  'max-logins': {
    group: 'Listen',
    help: 'logins under way towards the server at the same time; the next wait',
    parse: parseInteger(1, 10_000),
    default: '32',
  },
  'idle-session-timeout': {
    group: 'Listen',
    help: 'close a session that does nothing outside of a transaction for so long (57P05); 0: never',
    parse: parseDuration,
    default: '0',
  },
  'max-session-age': {
    group: 'Listen',
    help: 'close a session of this age, between transactions (57P01); 0: never',
    parse: parseDuration,
    default: '0',
  },
  'login-timeout': {
    group: 'Listen',
    help: 'how long a login may take, first byte to the last of it',
    parse: parseTimeout,
    default: '60s',
  },
  user: {
    group: 'Identity',
    help: 'the role to log in as; auto: the name in the token',
    value: 'ROLE',
    parse: parseText,
    default: 'auto',
  },
  credential: {
    group: 'Identity',
    help: `where tokens come from: ${CREDENTIALS.join(', ')}`,
    value: 'KIND',
    parse: parseChoice(CREDENTIALS),
    default: 'default',
  },
  cloud: {
    group: 'Identity',
    help: "which of Azure's clouds",
    parse: parseChoice(CLOUD_NAMES),
    default: 'public',
  },
  'client-id': {
    group: 'Identity',
    help: 'which user-assigned managed identity or application',
    value: 'ID',
    parse: parseText,
  },
  'object-id': {
    group: 'Identity',
    help: 'which user-assigned managed identity, by its object (principal) id',
    value: 'ID',
    parse: parseText,
  },
  'resource-id': {
    group: 'Identity',
    help: 'which user-assigned managed identity, by its Azure resource id',
    value: 'ID',
    parse: parseText,
  },
  'client-secret-file': {
    group: 'Identity',
    help: "a file with the application's secret; default: AZURE_CLIENT_SECRET",
    value: 'FILE',
    parse: parseText,
  },
  'client-certificate-file': {
    group: 'Identity',
    help: "a PEM file with the application's certificate and key; default: AZURE_CLIENT_CERTIFICATE_PATH",
    value: 'FILE',
    parse: parseText,
  },
  'tenant-id': { group: 'Identity', help: 'which Entra tenant', value: 'ID', parse: parseText },
  'token-file': {
    group: 'Identity',
    help: 'a file that something else keeps a token in',
    value: 'FILE',
    parse: parseText,
  },
  'token-command': {
    group: 'Identity',
    help: "a command that prints a token, or az's JSON; no shell unless it names one: sh -c '...'",
    value: 'COMMAND',
    parse: parseText,
  },
  scope: {
    group: 'Identity',
    help: "what the token is for; default: the cloud's Azure Database for PostgreSQL",
    value: 'SCOPE',
    parse: parseText,
  },
  'authority-host': {
    group: 'Identity',
    help: "Entra's address; default: the cloud's",
    value: 'URL',
    parse: parseHttpsUrl,
  },
  'disable-instance-discovery': {
    group: 'Identity',
    help: 'do not ask the public cloud whether the authority host exists',
    ...flag,
  },
  preset: {
    group: 'Upstream',
    help: 'what kind of server it is',
    parse: parseChoice(PRESET_NAMES),
    default: 'azure',
  },
  'upstream-address': {
    group: 'Upstream',
    help: "what to dial, where it is not the server's name (private endpoint)",
    value: 'HOST',
    parse: parseHost,
  },
  'upstream-port': {
    group: 'Upstream',
    help: "the server's port; default: 5432, with --preset cockroachdb 26257",
    parse: parseInteger(1, 65_535),
  },
  'server-name': {
    group: 'Upstream',
    help: "the name that the server's certificate must be for; default: the server's name",
    value: 'HOST',
    parse: parseHost,
  },
  ca: {
    group: 'Upstream',
    help: 'trusted roots: bundled (those of Azure), system, or a PEM file',
    value: 'bundled|system|FILE',
    parse: parseRoots,
    default: 'bundled',
  },
  pin: {
    group: 'Upstream',
    help: "a public key that the server's chain must hold besides; of several, one is enough",
    parse: parsePins,
    isList: true,
  },
  'tls-min': {
    group: 'Upstream',
    help: 'oldest TLS version towards the server',
    parse: parseChoice(['1.2', '1.3'] as const),
    default: '1.2',
  },
  database: {
    group: 'Upstream',
    help: "database for clients that name none; default: named like the client's user",
    value: 'NAME',
    parse: parseText,
  },
  'connect-timeout': {
    group: 'Upstream',
    help: 'how long connecting to the server may take, TLS included',
    parse: parseTimeout,
    default: '30s',
  },
  warm: {
    group: 'Upstream',
    help: 'most connections to keep ready for the next logins, while logins come; 0 for none',
    parse: parseInteger(0, 100),
    default: '4',
  },
  'drain-timeout': {
    group: 'Life',
    help: 'how long sessions may go on after SIGTERM or Ctrl-C',
    parse: parseDuration,
    default: '30s',
  },
  'drain-delay': {
    group: 'Life',
    help: 'how long to go on accepting before that, not ready any more: for load balancers to notice',
    parse: parseDuration,
    default: '0',
  },
  workers: {
    group: 'Life',
    help: 'processes that run the sessions, behind one port: for more cores than one process fills',
    parse: parseInteger(1, 64),
    default: '1',
  },
  'exit-when-idle': {
    group: 'Life',
    help: 'stop when no session has been open for so long, after the first one; 0: never',
    parse: parseDuration,
    default: '0',
  },
  'fail-fast': { group: 'Life', help: 'exit if the first token or a test login fails', ...flag },
  'admin-address': {
    group: 'Admin',
    help: 'address of the admin listener; one that other machines can reach needs --allow-remote-clients',
    value: 'ADDRESS',
    parse: parseAddress,
    default: '127.0.0.1',
  },
  'admin-port': {
    group: 'Admin',
    help: 'port of the admin listener, 0 for any free one; default: no such listener',
    parse: parseInteger(0, 65_535),
  },
  'admin-quit': { group: 'Admin', help: 'let the admin listener stop the program (POST /quit)', ...flag },
  config: {
    group: 'Output',
    help: 'a YAML file with settings, servers and client users',
    value: 'FILE',
    parse: parseText,
  },
  'check-config': {
    group: 'Output',
    help: 'say what is wrong with the configuration, and start nothing',
    ...flag,
  },
  'print-config': {
    group: 'Output',
    help: 'print each value and where it comes from, and start nothing',
    ...flag,
  },
  'log-level': {
    group: 'Output',
    help: `least important level to log: ${LOG_LEVELS.join(', ')}`,
    value: 'LEVEL',
    parse: parseChoice(LOG_LEVELS),
    default: 'info',
  },
  'log-format': {
    group: 'Output',
    help: 'what log lines look like; default: pretty on a terminal, else json',
    parse: parseChoice(['json', 'pretty'] as const),
  },
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** Settings of one server. */
export const SERVER_SETTING_NAMES = SETTING_NAMES.filter((name) =>
  ['Listen', 'Identity', 'Upstream'].includes(SETTINGS[name].group),
);

/** Settings of the whole program. */
export const PROGRAM_SETTING_NAMES = SETTING_NAMES.filter((name) => !SERVER_SETTING_NAMES.includes(name));

/** What an identity is made of; the cloud is the server's. */
export const IDENTITY_SETTING_NAMES = SETTING_NAMES.filter(
  (name) => SETTINGS[name].group === 'Identity' && name !== 'cloud',
);

/** The values, each of the type that its parser gives; undefined only where there is no default. */
export type Settings = {
  readonly [K in SettingName]: (typeof SETTINGS)[K] extends DefaultedSetting<infer T>
    ? T
    : (typeof SETTINGS)[K] extends Setting<infer T>
      ? T | undefined
      : never;
};

/** Reads the roots once, so that a bad file is told with everything else that is wrong. */
function parseRoots(text: string): string {
  readRoots(parseText(text));
  return text;
}
