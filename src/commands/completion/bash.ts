import { type Command, type Flag, flagsOf } from '../manual/command.ts';

/** The script for bash, 3.2 (of macOS) included; does without the package bash-completion. */
export function bashCompletion(commands: readonly Command[]): string {
  const names = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  return `# bash completion for pg-entra-proxy; printed by: pg-entra-proxy completion bash
# shellcheck shell=bash disable=SC2207 # bash 3.2 has no mapfile

_pg_entra_proxy_command_behind() {
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$1"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    COMPREPLY=($(compgen -c -- "$2"))
  else
    _pg_entra_proxy_files "$2"
  fi
}

_pg_entra_proxy_files() {
  local IFS=$'\\n'
  compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$1"))
}

_pg_entra_proxy() {
  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=run prefix='' words='' files='' i
  COMPREPLY=()

  # --flag=value is three words to bash, unless COMP_WORDBREAKS says otherwise.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $cur == --*=* ]]; then
    prev=\${cur%%=*} prefix=\${cur%%=*}= cur=\${cur#*=}
  fi

  if ((COMP_CWORD > 1)); then
    case \${COMP_WORDS[1]} in
      ${names.join(' | ')}) command=\${COMP_WORDS[1]} ;;
    esac
  fi

  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      [[ $command == exec ]] && _pg_entra_proxy_command_behind $((i + 1)) "$cur"
      return
    fi
  done

  case $prev in
${valueCases(commands)}
    *)
      case $command in
${wordCases(commands)}
      esac
      if [[ $cur == -* ]]; then
        case $command in
${flagCases(commands)}
        esac
      elif ((COMP_CWORD == 1)); then
        words='${names.join(' ')}'
      fi
      ;;
  esac

  COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
  if [[ -n $files && \${#COMPREPLY[@]} == 0 ]]; then
    _pg_entra_proxy_files "$cur"
  fi
}

complete -F _pg_entra_proxy pg-entra-proxy
`;
}

/** What stands behind a flag, the same with every command that has it. */
function valueCases(commands: readonly Command[]): string {
  const flags = new Map(commands.flatMap(flagsOf).map((flag) => [flag.name, flag]));
  const withValue = [...flags.values()].filter(({ value }) => value !== undefined);
  const byAnswer = Map.groupBy(withValue, valueAnswer);
  return [...byAnswer]
    .map(([answer, same]) => `    ${same.map(dashed).join(' | ')}) ${answer} ;;`)
    .join('\n');
}

function valueAnswer({ words, takesFile }: Flag): string {
  if (words.length === 0) return takesFile ? 'files=1' : 'return';
  return `words='${words.join(' ')}'${takesFile ? ' files=1' : ''}`;
}

function wordCases(commands: readonly Command[]): string {
  return commands
    .filter(({ words = [] }) => words.length > 0)
    .map((command) => `        ${pattern(command)}) words='${command.words?.join(' ')}' ;;`)
    .join('\n');
}

function flagCases(commands: readonly Command[]): string {
  return commands
    .map((command) => `          ${pattern(command)}) words='${flagsOf(command).map(dashed).join(' ')}' ;;`)
    .join('\n');
}

function pattern({ name, aliases = [] }: Command): string {
  return [name, ...aliases].join(' | ');
}

function dashed({ name }: Flag): string {
  return `--${name}`;
}
