import yargsParser from 'yargs-parser';
import type { RawFlags } from '../config/load.ts';
import { SETTING_NAMES, SETTINGS, type Setting } from '../config/settings.ts';
import type { Command } from './manual/command.ts';

/** A command line as it was said. */
export interface Arguments {
  readonly words: readonly string[];
  /** Settings, flags of the command itself, and what is neither. */
  readonly flags: RawFlags;
  /** What was asked for instead of the command, if anything. */
  readonly wanted: 'help' | 'version' | undefined;
}

const SWITCHES = SETTING_NAMES.filter((name) => (SETTINGS[name] as Setting<unknown>).isSwitch);

/**
 * Reads the command line of a command. It knows the switches of all commands, since whether a flag has a
 * value does not depend on who takes it.
 *
 * @param argv - behind the command.
 */
export async function parseCommand(command: Command, argv: readonly string[]): Promise<Arguments> {
  const parsed: Record<string, unknown> = { ...parse(command, argv), ...readSwitches(argv) };
  const { _: words = [], h: _alias, help, version, ...flags } = parsed;
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return {
    words: (words as readonly unknown[]).map(String),
    flags: Object.fromEntries(given),
    wanted: help === true ? 'help' : version === true ? 'version' : undefined,
  };
}

/**
 * Prints what `--help` is for.
 *
 * @param commands - to be listed with it.
 */
export async function printHelp(command: Command, commands: readonly Command[] = []): Promise<number> {
  const { helpStyle, renderHelp } = await import('./manual/help.ts');
  return print(renderHelp(command, commands, helpStyle(process.stdout, process.env)));
}

/** Says something on standard output; this was all, and it went well. */
export function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** For parsing only: what is wrong is collected by us, all of it at once. */
function parse({ options = {} }: Command, argv: readonly string[]): Record<string, unknown> {
  const ownSwitches = Object.entries(options).filter(([, { value }]) => value === undefined);
  return yargsParser([...argv], {
    boolean: [...SWITCHES, ...ownSwitches.map(([name]) => name), 'help', 'version'],
    alias: { help: ['h'] },
    configuration: {
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      // -port is one flag that lacks a dash, and not four.
      'short-option-groups': false,
    },
  });
}

/**
 * Switches that have a value (`--same-user=yes`) or are given more than once, as they stand there: of those
 * yargs makes false whatever is not "true", and takes the last.
 */
function readSwitches(argv: readonly string[]): RawFlags {
  const end = argv.indexOf('--');
  const words = argv.slice(0, end === -1 ? argv.length : end);
  const flags: Record<string, unknown> = {};
  for (const name of SWITCHES) {
    const flag = `--${name}`;
    const said = words.filter((word) => [flag, `--no-${name}`].includes(word) || word.startsWith(`${flag}=`));
    if (said.length > 1) flags[name] = said;
    else if (said[0]?.startsWith(`${flag}=`)) flags[name] = said[0].slice(flag.length + 1);
  }
  return flags;
}
