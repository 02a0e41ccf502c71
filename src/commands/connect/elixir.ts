import type { Client } from './client.ts';
import { elixirString } from './quoting.ts';
import { PASSWORD, type Target } from './target.ts';

export const ELIXIR_CLIENTS: readonly Client[] = [
  {
    name: 'ecto',
    aliases: ['elixir', 'phoenix'],
    title: 'Elixir: Ecto',
    language: 'elixir',
    place: 'config/runtime.exs',
    text: (target) => `config :my_app, MyApp.Repo,\n${options(target)}`,
  },
  {
    name: 'postgrex',
    aliases: ['elixir'],
    title: 'Elixir: Postgrex',
    language: 'elixir',
    text: (target) => `{:ok, pid} =\n  Postgrex.start_link(\n${indented(options(target))}\n  )`,
  },
];

function options(target: Target): string {
  const { host, port, socket, database, user, needsPassword } = target;
  const lines = [
    `${socket === undefined ? 'hostname' : 'socket_dir'}: ${elixirString(host)}`,
    `port: ${port}`,
    `database: ${elixirString(database)}`,
    `username: ${elixirString(user)}`,
    ...(needsPassword ? [`password: ${elixirString(PASSWORD)}`] : []),
    `ssl: ${ssl(target)}`,
  ];
  return lines.map((line) => `  ${line}`).join(',\n');
}

/** Options of Erlang's ssl, which postgrex 0.18 and later take there. */
function ssl({ tls, host }: Target): string {
  if (tls.mode === 'disable') return 'false';
  if (tls.mode === 'require') return '[verify: :verify_none]';
  const name = `server_name_indication: String.to_charlist(${elixirString(host)})`;
  return `[verify: :verify_peer, cacertfile: ${elixirString(tls.rootCert)}, ${name}]`;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
