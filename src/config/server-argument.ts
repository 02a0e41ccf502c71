import type { FileServer } from './file.ts';
import type { Layer } from './layers.ts';
import { SERVER_SETTING_NAMES, SETTINGS, type SettingName } from './settings.ts';
import { didYouMean } from './suggestion.ts';

/** A server of the command line: `name`, `name:port`, each with `?setting=value&setting=value` or not. */
export function readServerArgument(text: string, problems: Set<string>): FileServer {
  const queryStart = text.indexOf('?');
  const name = queryStart === -1 ? text : text.slice(0, queryStart);
  const query = queryStart === -1 ? '' : text.slice(queryStart + 1);
  return {
    server: { text: name, origin: '<server>' },
    layer: readQuery(name, query, problems),
    clientUsers: new Map(),
  };
}

function readQuery(server: string, query: string, problems: Set<string>): Layer {
  const layer = new Map<SettingName, { text: string; origin: string }>();
  for (const [key, text] of new URLSearchParams(query)) {
    const name = SERVER_SETTING_NAMES.find((one) => one === key);
    const origin = `${server}?${key}`;
    if (name === undefined) problems.add(`${origin} ${misplaced(key)}`);
    else if (layer.has(name)) problems.add(`${origin} is given more than once`);
    else layer.set(name, { text, origin });
  }
  return layer;
}

function misplaced(key: string): string {
  return Object.hasOwn(SETTINGS, key)
    ? 'is a setting of the whole program, not of one server'
    : `is not a setting of pg-entra-proxy${didYouMean(key, SERVER_SETTING_NAMES)}`;
}
