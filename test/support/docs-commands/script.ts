import { quoted } from '../exec.ts';
import type { CodeBlock, Page } from '../markdown-pages.ts';
import { NOT_RUN } from './not-run.ts';

/** What stands in a page, and what the test puts there. Nothing else of a command is changed. */
export type Substitutions = readonly (readonly [text: RegExp, instead: string])[];

/** A block that begins so is a file that the reader writes. */
const FILE_NAME = /^# (\S+\.(?:yaml|conf))\b/;

const FILE_LANGUAGES: ReadonlySet<string> = new Set(['yaml', 'ini']);

/** What is continued on the next line. */
const CONTINUED = /(?:\\|\||&&)$/;

const NOT_RUN_COMMANDS: ReadonlySet<string> = new Set(NOT_RUN.map(({ command }) => command));

/** A page's commands, and the files that it has its reader write, as one script for bash. */
export function scriptOf(page: Page, substitutions: Substitutions): string {
  const adapt = (text: string): string =>
    substitutions.reduce((before, [what, instead]) => before.replaceAll(what, instead), text);
  return page.blocks
    .flatMap((block) => {
      if (block.language === 'sh') return commandsIn(block).map((command) => runs(page, command, adapt));
      const [, file] = FILE_LANGUAGES.has(block.language) ? (FILE_NAME.exec(block.text) ?? []) : [];
      return file === undefined ? [] : [writes(adapt(file), adapt(block.text))];
    })
    .join('\n');
}

interface Command {
  /** Of the page, from 1. */
  readonly line: number;
  /** As it stands there. */
  readonly text: string;
}

/** The commands of a block of shell, without comments that stand alone. */
export function commandsIn({ line, text }: CodeBlock): Command[] {
  const commands: Command[] = [];
  let isContinued = false;
  for (const [index, one] of text.split('\n').entries()) {
    const last = commands.at(-1);
    if (isContinued && last !== undefined)
      commands[commands.length - 1] = { ...last, text: `${last.text}\n${one}` };
    else if (/^\s*(?:#|$)/.test(one)) continue;
    else commands.push({ line: line + 1 + index, text: one });
    isContinued = CONTINUED.test(one);
  }
  return commands;
}

/** As {@link NOT_RUN} has it: on one line, without a comment. */
export function onOneLine({ text }: Command): string {
  return text.replaceAll(/\s*\\\n\s*/g, ' ').replace(/\s+# .*$/, '');
}

function runs(page: Page, command: Command, adapt: (text: string) => string): string {
  if (NOT_RUN_COMMANDS.has(onOneLine(command))) return '';
  return `step=${quoted(`${page.path}:${command.line}: ${command.text}`)}\n${adapt(command.text)}`;
}

function writes(file: string, text: string): string {
  return `mkdir -p "$(dirname ${quoted(file)})"\ncat > ${quoted(file)} << 'END OF THE FILE'\n${text}\nEND OF THE FILE`;
}
