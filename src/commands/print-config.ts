import { stringify } from 'yaml';
import { NOT_IN_FILES } from '../config/file-schema.ts';
import type { Layer } from '../config/layers.ts';
import { listensOnTcp } from '../config/listen-rules.ts';
import type { Config, ServerConfig } from '../config/load.ts';
import {
  IDENTITY_SETTING_NAMES,
  PROGRAM_SETTING_NAMES,
  SERVER_SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
} from '../config/settings.ts';
import { withoutTokens } from '../redact.ts';

/**
 * What counts, as a file that says the same; behind each value where it comes from. What looks like a
 * token or a secret (somebody may have put one into a command) is left out.
 */
export function printConfig({ given, servers }: Config): string {
  const program = PROGRAM_SETTING_NAMES.filter((name) => !NOT_IN_FILES.has(name));
  return [...settingLines(program, given), 'servers:', ...servers.flatMap(serverLines), ''].join('\n');
}

function serverLines({ server, settings, given, clientUsers }: ServerConfig): string[] {
  const names = SERVER_SETTING_NAMES.filter((name) => name !== 'address' || listensOnTcp(settings, given));
  const name = server.port === undefined ? server.host : `${server.host}:${server.port}`;
  const users = [...clientUsers].flatMap(([user, login]) => [
    `      ${scalar(user)}:`,
    ...(login.kind === 'passThrough'
      ? ['        pass-through: true']
      : settingLines(IDENTITY_SETTING_NAMES, login.given).map((line) => `        ${line}`)),
  ]);
  return [
    `  - server: ${scalar(name)}`,
    ...settingLines(names, given).map((line) => `    ${line}`),
    ...(users.length === 0 ? [] : ['    client-users:', ...users]),
  ];
}

/** A line for each setting that has a value. */
function settingLines(names: readonly SettingName[], given: Layer): string[] {
  return names.flatMap((name) => {
    const { default: fallback, parse, isList }: Setting<unknown> = SETTINGS[name];
    const { text, origin } = given.get(name) ?? { text: fallback, origin: 'default' };
    if (text === undefined) return [];
    const value = isList ? (parse(text) as readonly string[]).map(scalar).join(', ') : scalar(text);
    return [`${name}: ${isList ? `[${value}]` : value} # ${origin}`];
  });
}

function scalar(text: string): string {
  const isWord = /^(?:true|false|[1-9]\d{0,14}|0)$/.test(text);
  return isWord ? text : stringify(withoutTokens(text), { lineWidth: 0 }).trim();
}
