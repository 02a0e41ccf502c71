import { type Command, type Flag, flagsOf } from '../manual/command.ts';

const COMPLETE = 'complete -c pg-entra-proxy';

/** The script for fish. */
export function fishCompletion(commands: readonly Command[]): string {
  const names = commands.flatMap(namesOf);
  return `# fish completion for pg-entra-proxy; printed by: pg-entra-proxy completion fish

# Whether one of these commands is being typed.
function __pg_entra_proxy_in
    set -l words (commandline -opc)
    set -l command run
    contains -- "$words[2]" ${names.join(' ')}; and set command $words[2]
    contains -- $command $argv
end

function __pg_entra_proxy_behind
    set -l words (commandline -opc)
    test "$words[2]" = exec; and contains -- -- $words
end

function __pg_entra_proxy_command_behind
    set -l words (commandline -opc)
    set -l start (contains -i -- -- $words)
    set -e words[1..$start]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

${COMPLETE} -f
${COMPLETE} -n __pg_entra_proxy_behind -x -a '(__pg_entra_proxy_command_behind)'
${commands.flatMap(commandLines).join('\n')}
${flagLines(commands).join('\n')}
`;
}

function commandLines({ name, aliases = [], summary, words = [] }: Command): string[] {
  const lines = [name, ...aliases].map(
    (one) => `${COMPLETE} -n 'test (count (commandline -opc)) -eq 1' -a ${one} -d ${quoted(summary)}`,
  );
  return words.length === 0
    ? lines
    : [...lines, `${COMPLETE} -n '__pg_entra_proxy_in ${name}' -a '${words.join(' ')}'`];
}

/** A line for each flag, with all the commands that have the same. */
function flagLines(commands: readonly Command[]): string[] {
  const lines = new Map<string, string[]>();
  for (const command of commands) {
    for (const flag of flagsOf(command)) {
      const line = flagLine(flag);
      lines.set(line, [...(lines.get(line) ?? []), ...namesOf(command)]);
    }
  }
  return [...lines].map(([line, names]) => `${COMPLETE} -n '__pg_entra_proxy_in ${names.join(' ')}' ${line}`);
}

function flagLine({ name, short, help, value, words, takesFile }: Flag): string {
  const parts = [
    ...(short === undefined ? [] : [`-s ${short}`]),
    `-l ${name}`,
    ...(value === undefined ? [] : [takesFile ? '-r -F' : '-x']),
    ...(words.length === 0 ? [] : [`-a '${words.join(' ')}'`]),
    `-d ${quoted(help)}`,
  ];
  return parts.join(' ');
}

function namesOf({ name, aliases = [] }: Command): string[] {
  return [name, ...aliases];
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
