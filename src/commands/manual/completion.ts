import type { Command } from './command.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

export const COMPLETION: Command = {
  name: 'completion',
  synopsis: [`completion ${SHELLS.join('|')}`],
  summary: 'print a script that completes commands, flags and values in a shell',
  description: [
    'Prints a script for the shell that completes commands, flags, and the values of flags that have a few. It needs nothing but the shell: the program is not run when Tab is pressed.',
  ],
  words: SHELLS,
  takes: () => false,
  examples: [
    { what: 'bash: in ~/.bashrc', line: 'source <(pg-entra-proxy completion bash)' },
    { what: 'zsh: in ~/.zshrc, behind compinit', line: 'source <(pg-entra-proxy completion zsh)' },
    {
      what: 'fish: once',
      line: 'pg-entra-proxy completion fish > ~/.config/fish/completions/pg-entra-proxy.fish',
    },
  ],
};
