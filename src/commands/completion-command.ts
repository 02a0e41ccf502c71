import { parseChoice } from '../config/parsers.ts';
import { UsageError } from '../errors.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { zshCompletion } from './completion/zsh.ts';
import { COMMANDS } from './manual/commands.ts';
import { COMPLETION, SHELLS, type Shell } from './manual/completion.ts';
import { parseCommand, print, printHelp } from './parser.ts';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** @param argv - behind `completion`. */
export async function runCompletionCommand(argv: readonly string[], version: string): Promise<number> {
  const { words, flags, wanted } = await parseCommand(COMPLETION, argv);
  if (wanted === 'help') return printHelp(COMPLETION);
  if (wanted === 'version') return print(version);
  const problems = Object.keys(flags).map((name) => `completion does not take --${name}`);
  const shell = readShell(words, problems);
  if (shell === undefined || problems.length > 0) throw new UsageError(problems);
  return print(SCRIPTS[shell](COMMANDS).trimEnd());
}

function readShell([word, ...others]: readonly string[], problems: string[]): Shell | undefined {
  const hint = `pg-entra-proxy completion ${SHELLS.join('|')}`;
  if (word === undefined) problems.push(`completion needs the name of a shell: ${hint}`);
  if (others.length > 0) problems.push(`completion takes one shell, and no "${others.join(' ')}"`);
  if (word === undefined) return undefined;
  try {
    return parseChoice(SHELLS)(word);
  } catch (error) {
    problems.push(`completion ${(error as Error).message}`);
    return undefined;
  }
}
