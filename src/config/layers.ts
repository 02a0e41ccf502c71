import { SETTING_NAMES, SETTINGS, type Setting, type SettingName, type Settings } from './settings.ts';

/** A setting as somebody gave it. */
export interface Given {
  readonly text: string;
  /** Who: `--port`, `PGEP_PORT`, `proxy.yaml:3:7 port`. A message about it begins with that. */
  readonly origin: string;
}

/** What one place says: the command line, the environment, a part of the file. */
export type Layer = ReadonlyMap<SettingName, Given>;

/** Values, and who gave those that are not defaults. */
export interface Resolved {
  readonly settings: Settings;
  readonly given: Layer;
}

/** One layer made of several, the first that says something of a setting being the one that counts. */
export function merge(...layers: readonly Layer[]): Layer {
  return new Map(layers.toReversed().flatMap((layer) => [...layer]));
}

/** Parses what was given, and the defaults of the rest. Values with a problem are undefined. */
export function resolve(given: Layer, problems: Set<string>): Resolved {
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of SETTING_NAMES) {
    const setting: Setting<unknown> = SETTINGS[name];
    const { text, origin } = given.get(name) ?? { text: setting.default, origin: name };
    if (text === undefined) continue;
    try {
      values[name] = setting.parse(text);
    } catch (error) {
      problems.add(`${origin} ${(error as Error).message}`);
    }
  }
  return { settings: values as Settings, given };
}
