import { didYouMean } from '../../config/suggestion.ts';
import type { Client } from './client.ts';
import { DESKTOP_CLIENTS } from './desktop.ts';
import { DOTNET_CLIENTS } from './dotnet.ts';
import { ELIXIR_CLIENTS } from './elixir.ts';
import { GO_CLIENTS } from './go.ts';
import { JAVA_CLIENTS } from './java.ts';
import { LIBPQ_CLIENTS } from './libpq.ts';
import { NODE_CLIENTS } from './node.ts';
import { ODBC_CLIENTS } from './odbc.ts';
import { PHP_CLIENTS } from './php.ts';
import { PIPELINE_CLIENTS } from './pipelines.ts';
import { PYTHON_CLIENTS } from './python.ts';
import { REPORTING_CLIENTS } from './reporting.ts';
import { RUBY_CLIENTS } from './ruby.ts';

/** All that `connect` knows, in the order in which they are listed. */
export const CLIENTS: readonly Client[] = [
  ...LIBPQ_CLIENTS,
  ...JAVA_CLIENTS,
  ...DOTNET_CLIENTS,
  ...GO_CLIENTS,
  ...PYTHON_CLIENTS,
  ...RUBY_CLIENTS,
  ...ELIXIR_CLIENTS,
  ...NODE_CLIENTS,
  ...PHP_CLIENTS,
  ...ODBC_CLIENTS,
  ...DESKTOP_CLIENTS,
  ...REPORTING_CLIENTS,
  ...PIPELINE_CLIENTS,
];

/** Those that are shown unasked: what people look for first, and most tools take one of. */
export const COMMON_CLIENTS: readonly Client[] = ['psql', 'url', 'jdbc', 'npgsql'].flatMap(findClients);

/** The client of a name, or all that an alias stands for; `all` is all. */
export function findClients(name: string): readonly Client[] {
  const wanted = name.trim().toLowerCase();
  if (wanted === 'all') return CLIENTS;
  const named = CLIENTS.filter((client) => client.name === wanted);
  return named.length > 0 ? named : CLIENTS.filter(({ aliases = [] }) => aliases.includes(wanted));
}

/** What is wrong with a name that no client has. */
export function unknownClient(name: string): string {
  const names = CLIENTS.flatMap((client) => [client.name, ...(client.aliases ?? [])]);
  const all = CLIENTS.map((client) => client.name).join(', ');
  const meant = didYouMean(name.trim(), names);
  return `--for: there is no client "${name}"${meant === '' ? '.' : meant} It takes ${all}, or all`;
}
