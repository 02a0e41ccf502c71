import { type Command, type Flag, flagsOf } from '../manual/command.ts';

/** The script for zsh: to be sourced, or as the file _pg-entra-proxy in a directory of fpath. */
export function zshCompletion(commands: readonly Command[]): string {
  const rows = commands.flatMap(({ name, aliases = [], summary }) =>
    [name, ...aliases].map((one) => `    ${quoted(`${one}:${summary}`)}`),
  );
  return `#compdef pg-entra-proxy
# zsh completion for pg-entra-proxy; printed by: pg-entra-proxy completion zsh

_pg-entra-proxy() {
  local -i end=\${words[(i)--]}
  if (( end < CURRENT )); then
    [[ $words[2] == exec ]] || return 1
    shift $end words
    (( CURRENT -= end ))
    _normal
    return
  fi

  local -a commands specs
  commands=(
${rows.join('\n')}
  )
  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
    _describe -t commands command commands
    return
  fi

  local command=run
  if (( CURRENT > 2 && $commands[(I)$words[2]:*] )); then
    command=$words[2]
    shift words
    (( CURRENT -= 1 ))
  fi

  case $command in
${commands.map(commandCase).join('\n')}
  esac
  _arguments -S $specs
}

if [[ $funcstack[1] == _pg-entra-proxy ]]; then
  _pg-entra-proxy "$@"
else
  compdef _pg-entra-proxy pg-entra-proxy
fi
`;
}

function commandCase(command: Command): string {
  const { name, aliases = [], words = [] } = command;
  const specs = flagsOf(command).map(flagSpec);
  // Behind a word that no spec is for, zsh completes no flags.
  specs.push(words.length > 0 ? `1:word:(${words.join(' ')})` : '*:server:()');
  const lines = specs.map((spec) => `        ${quoted(spec)}`).join('\n');
  return `    (${[name, ...aliases].join('|')})\n      specs=(\n${lines}\n      )\n      ;;`;
}

/** @see https://zsh.sourceforge.io/Doc/Release/Completion-System.html (_arguments) */
function flagSpec(flag: Flag): string {
  const { name, help, value, isRepeatable } = flag;
  const about = `[${help.replaceAll(/[\\[\]:]/g, '\\$&')}]`;
  if (value === undefined) return `--${name}${about}`;
  return `${isRepeatable ? '*' : ''}--${name}=${about}:${value.replaceAll(':', '\\:')}:${action(flag)}`;
}

function action({ words, takesFile }: Flag): string {
  if (words.length === 0) return takesFile ? '_files' : ' ';
  return takesFile ? `{compadd ${words.join(' ')}; _files}` : `(${words.join(' ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
