import { SETTING_NAMES, SETTINGS, type Setting, type SettingName } from '../../config/settings.ts';

/** A flag that only one command has. */
interface CommandOption {
  readonly help: string;
  /** What stands for its value in help; a switch has none. */
  readonly value?: string;
  /** The words that it takes, where they are too many for help. */
  readonly words?: readonly string[];
  /** As a user would write it. */
  readonly default?: string;
}

/** A command as help, completion and the manual tell of it. */
export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** How it is called, behind the program's name. */
  readonly synopsis: readonly string[];
  /** What it is for, in a list of commands. */
  readonly summary: string;
  /** What it does: paragraphs. */
  readonly description: readonly string[];
  /** The words that it takes, if it knows any. */
  readonly words?: readonly string[];
  /** Which settings it takes as flags. */
  readonly takes: (name: SettingName) => boolean;
  /** By name, without the dashes. */
  readonly options?: Readonly<Record<string, CommandOption>>;
  readonly examples: readonly Example[];
  /** What else is to be known: a heading, and paragraphs. */
  readonly notes?: readonly Note[];
}

/** A line for a shell, and what it is for. */
interface Example {
  readonly what: string;
  readonly line: string;
}

interface Note {
  readonly heading: string;
  readonly paragraphs: readonly string[];
}

/** A flag, wherever it comes from. */
export interface Flag {
  readonly name: string;
  readonly short?: 'h';
  readonly group: string;
  readonly help: string;
  /** What stands for its value; undefined: a switch. */
  readonly value?: string | undefined;
  /** Words that are values, if it knows any. */
  readonly words: readonly string[];
  readonly takesFile: boolean;
  readonly default?: string | undefined;
  readonly isRepeatable: boolean;
}

const HELP: readonly Flag[] = [
  { ...bare('help'), short: 'h', group: 'Output', help: 'this text' },
  { ...bare('version'), group: 'Output', help: 'the version' },
];

/** All flags of a command, those of its own first, the others in the order of their groups. */
export function flagsOf(command: Command): Flag[] {
  const group = `Of ${command.name}`;
  const own = Object.entries(command.options ?? {}).map(
    ([name, { help, value, words, default: fallback }]): Flag => ({
      ...bare(name),
      group,
      help,
      value,
      words: words ?? wordsIn(value),
      takesFile: takesFile(value),
      default: fallback,
    }),
  );
  return [...own, ...SETTING_NAMES.filter(command.takes).map(settingFlag), ...HELP];
}

/** The flag that a setting is. */
export function settingFlag(name: SettingName): Flag {
  const setting: Setting<unknown> = SETTINGS[name];
  const { group, help, parse, isSwitch, isList } = setting;
  const value = isSwitch ? undefined : (setting.value ?? parse.value ?? 'TEXT');
  return {
    name,
    group,
    help,
    value,
    words: isSwitch ? [] : [...new Set([...choicesOf(setting), ...wordsIn(value)])],
    takesFile: takesFile(value),
    default: isSwitch ? undefined : setting.default,
    isRepeatable: isList === true,
  };
}

/** How a flag stands in help: `--port N`. */
export function usageOf({ name, short, value }: Flag): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

function bare(name: string) {
  return { name, words: [], takesFile: false, isRepeatable: false };
}

/** JSON Schema has numbers besides the words that a shell knows. */
function choicesOf({ parse }: Setting<unknown>): string[] {
  const choices = parse.json?.['enum'];
  return Array.isArray(choices) ? choices.filter((choice) => typeof choice === 'string') : [];
}

/** Of `bundled|system|FILE` the first two. */
function wordsIn(value = ''): string[] {
  return value.includes('|') ? value.split('|').filter((word) => word !== word.toUpperCase()) : [];
}

function takesFile(value = ''): boolean {
  return value.split('|').some((part) => part === 'FILE' || part === 'PATH');
}
