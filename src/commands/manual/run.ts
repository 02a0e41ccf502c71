import type { Command } from './command.ts';

export const RUN: Command = {
  name: 'run',
  synopsis: ['[run] <server...> [flags]', '[run] --config FILE'],
  summary: 'run the proxy; where no command is named, this is it',
  description: [
    'Listens on localhost:6432 for any PostgreSQL client, without a password, and logs in to Azure Database for PostgreSQL with a Microsoft Entra token, over verified TLS.',
    "<server> is myserver (completed to myserver.postgres.database.azure.com), a full host name, or either with :port. Of several, each can have its own settings as a query ('myserver?port=6433&user=report'); those without a port of their own count up from --port.",
  ],
  takes: () => true,
  examples: [
    { what: 'as whoever has logged in with az', line: 'az login && pg-entra-proxy myserver' },
    {
      what: 'on a virtual machine, as its managed identity',
      line: 'pg-entra-proxy myserver --credential managed-identity --user my-vm',
    },
    { what: 'as a group', line: 'pg-entra-proxy myserver --user "Reporting Group" --port 6433' },
    { what: 'through a private endpoint', line: 'pg-entra-proxy myserver --upstream-address 10.0.0.5' },
    { what: 'two servers', line: "pg-entra-proxy orders 'reports?port=6500&user=Reporting Group'" },
    { what: 'what a file says, without starting', line: 'pg-entra-proxy --config proxy.yaml --print-config' },
  ],
  notes: [
    {
      heading: 'Configuration',
      paragraphs: [
        'Each flag can be given as an environment variable too: PGEP_ and the flag in upper snake case, such as PGEP_PORT, and as a key of the file that --config names. The flag wins, then the environment, then the file. Durations take units: 500ms, 30s, 5m.',
        'SIGHUP reads the file, the users and the certificates again; SIGTERM and Ctrl-C end sessions between transactions.',
      ],
    },
    {
      heading: 'Exit status',
      paragraphs: ['0 done, 1 runtime failure or a session cut, 2 bad usage or configuration.'],
    },
  ],
};
