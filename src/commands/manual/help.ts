import { styleText } from 'node:util';
import wrapAnsi from 'wrap-ansi';
import { type Command, type Flag, flagsOf, usageOf } from './command.ts';

const PROGRAM = 'pg-entra-proxy';

/** The widest that help gets; a narrower terminal gets what it has, down to the least that is legible. */
const MAX_WIDTH = 100;
const MIN_WIDTH = 60;

const INDENT = '  ';

/** How help looks. */
export interface HelpStyle {
  /** Columns that no line exceeds, but for what must stay on one. */
  readonly width: number;
  readonly heading: (text: string) => string;
}

/** Bold headings, and a terminal's width: only where standard output is one, and NO_COLOR is not set. */
export function helpStyle(stdout: NodeJS.WriteStream, env: NodeJS.ProcessEnv): HelpStyle {
  // Some terminals have no width, or 0.
  const columns = (stdout.isTTY && stdout.columns) || MAX_WIDTH;
  const width = Math.max(MIN_WIDTH, Math.min(columns, MAX_WIDTH));
  const isPlain = !stdout.isTTY || (env['NO_COLOR'] ?? '') !== '';
  return { width, heading: (text) => (isPlain ? text : styleText('bold', text, { stream: stdout })) };
}

/** What `--help` prints: a short manual. */
export function renderHelp(command: Command, commands: readonly Command[], style: HelpStyle): string {
  const { synopsis, description, examples, notes = [] } = command;
  const { width, heading } = style;
  const section = (title: string, lines: readonly string[]): string =>
    [heading(`${title}:`), ...lines].join('\n');
  const usage = synopsis.map((text) => `${INDENT}${PROGRAM} ${text}`);
  const flags = Map.groupBy(flagsOf(command), ({ group }) => group);
  const lists = [...flags].map(([group, all]) => section(group, list(all.map(flagRow), width)));
  const names = list(commands.map(commandRow), width);
  return [
    section('Usage', usage),
    ...description.map((text) => paragraph(text, width)),
    ...(commands.length === 0 ? [] : [section('Commands (each has its own --help)', names)]),
    ...lists,
    section(
      'Examples',
      examples.flatMap(({ what, line }) => [`${INDENT}# ${what}`, `${INDENT}${line}`]),
    ),
    ...notes.map((note) => section(note.heading, [paragraph(note.paragraphs.join('\n'), width, INDENT)])),
  ].join('\n\n');
}

function commandRow({ name, aliases = [], summary }: Command): Row {
  return [[name, ...aliases].join(', '), summary];
}

function flagRow(flag: Flag): Row {
  const { help, default: fallback } = flag;
  return [usageOf(flag), fallback === undefined ? help : `${help} (${fallback})`];
}

type Row = readonly [name: string, text: string];

/** Names, and behind each, in a column of its own, what is said of it. */
function list(rows: readonly Row[], width: number): string[] {
  const column = INDENT.length + Math.max(...rows.map(([name]) => name.length)) + INDENT.length;
  return rows.map(([name, text]) => {
    const [first = '', ...rest] = wrapAnsi(text, width - column).split('\n');
    return [`${INDENT}${name}`.padEnd(column) + first, ...rest.map((line) => ' '.repeat(column) + line)].join(
      '\n',
    );
  });
}

function paragraph(text: string, width: number, indent = ''): string {
  return wrapAnsi(text, width - indent.length).replaceAll(/^/gm, indent);
}
