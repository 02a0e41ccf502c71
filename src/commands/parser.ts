import yargs, { type Argv } from 'yargs';
import type { RawFlags } from '../config/load.ts';
import { SETTING_NAMES, SETTINGS, type Setting, type SettingName } from '../config/settings.ts';

/** A command line as it was said. */
export interface Arguments {
  readonly words: readonly string[];
  /** Settings, flags of the command itself, and what is neither. */
  readonly flags: RawFlags;
  /** What was asked for instead of the command, if anything. */
  readonly wanted: 'help' | 'version' | undefined;
}

/** yargs for parsing and for the help text only: what is wrong is collected by us, all of it at once. */
export function createBareParser() {
  return yargs([])
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(100);
}

/** Knows all settings; only those that a command takes are in its help. */
export function createSettingsParser(takes: (name: SettingName) => boolean) {
  const parser = createBareParser();
  for (const name of SETTING_NAMES) {
    const { group, help, isSwitch, default: fallback }: Setting<unknown> = SETTINGS[name];
    const shown = fallback === undefined || isSwitch ? '' : ` (${fallback})`;
    parser.option(name, {
      group: `${group}:`,
      describe: `${help}${shown}`,
      boolean: isSwitch === true,
      hidden: !takes(name),
    });
  }
  return parser;
}

export function withHelp<T>(parser: Argv<T>, group: string) {
  return parser
    .option('help', { boolean: true, alias: 'h', group, describe: 'this text' })
    .option('version', { boolean: true, group, describe: 'the version' });
}

/** Reads a command line with a parser that {@link withHelp} has made. */
export async function parseArguments<T>(parser: Argv<T>, argv: readonly string[]): Promise<Arguments> {
  const parsed: Record<string, unknown> = { ...(await parser.parse(argv)), ...readSwitches(argv) };
  const { _: words = [], $0: _program, h: _alias, help, version, ...flags } = parsed;
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return {
    words: (words as readonly unknown[]).map(String),
    flags: Object.fromEntries(given),
    wanted: help === true ? 'help' : version === true ? 'version' : undefined,
  };
}

/** Says something on standard output; this was all, and it went well. */
export function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/**
 * Switches that have a value (`--same-user=yes`) or are given more than once, as they stand there: of those
 * yargs makes false whatever is not "true", and takes the last.
 */
function readSwitches(argv: readonly string[]): RawFlags {
  const end = argv.indexOf('--');
  const words = argv.slice(0, end === -1 ? argv.length : end);
  const flags: Record<string, unknown> = {};
  for (const name of SETTING_NAMES.filter((one) => (SETTINGS[one] as Setting<unknown>).isSwitch)) {
    const flag = `--${name}`;
    const said = words.filter((word) => [flag, `--no-${name}`].includes(word) || word.startsWith(`${flag}=`));
    if (said.length > 1) flags[name] = said;
    else if (said[0]?.startsWith(`${flag}=`)) flags[name] = said[0].slice(flag.length + 1);
  }
  return flags;
}
