import type { SettingName } from '../../config/settings.ts';
import { NOT_PRIVATE } from '../private-settings.ts';
import type { Command } from './command.ts';

/** Settings that do nothing with `exec`, whoever says them. */
export const NOT_WITH_EXEC: ReadonlySet<SettingName> = new Set<SettingName>([
  ...NOT_PRIVATE,
  'drain-delay',
  'exit-when-idle',
  'workers',
  'admin-address',
  'admin-port',
  'admin-quit',
  'check-config',
  'print-config',
]);

export const EXEC: Command = {
  name: 'exec',
  synopsis: ['exec <server> [flags] -- COMMAND [ARGUMENT...]'],
  summary: 'run a command with a proxy of its own, and end with its exit status',
  description: [
    'Runs a command with a proxy of its own, on a Unix socket that nobody else can reach. Signals are passed on.',
    'The command finds the proxy through PGHOST, PGPORT, PGUSER (the role) and PGDATABASE (--database, or else what PGDATABASE is already, or else postgres). It starts when there is a token; one that may still come is waited for as long as --connect-timeout says. With --fail-fast a login is tried too. On standard error the proxy tells of warnings only (--log-level).',
  ],
  takes: (name) => !NOT_WITH_EXEC.has(name),
  options: {
    tcp: {
      help: 'a port of 127.0.0.1 and a one-time password (PGPASSWORD), for what knows no Unix sockets',
    },
    'url-env': { help: 'a variable that gets a URL, such as DATABASE_URL', value: 'NAME' },
  },
  examples: [
    { what: 'a query', line: "pg-entra-proxy exec myserver --database app -- psql -c 'select now()'" },
    {
      what: 'a program that wants a URL, and TCP',
      line: 'pg-entra-proxy exec myserver --tcp --url-env DATABASE_URL -- npm run migrate',
    },
  ],
  notes: [
    {
      heading: 'Configuration',
      paragraphs: [
        'The environment and the file are as in pg-entra-proxy --help; what they say of listening, and of who may connect, does not count here.',
      ],
    },
    {
      heading: 'Exit status',
      paragraphs: [
        "The command's own (128 and the signal's number if one ended it); 126 if it cannot be run, 127 if there is no such command; 1 if there is no token, or nowhere to listen; 2 bad usage or configuration.",
      ],
    },
  ],
};
