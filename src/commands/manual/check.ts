import type { SettingName } from '../../config/settings.ts';
import type { Command } from './command.ts';

/** Settings that would have `check` do something else. */
export const NOT_WITH_CHECK: readonly SettingName[] = ['check-config', 'print-config'];

/** Settings that nothing in it depends on: taken, so that a command line of `run` will do, but not in its help. */
const WITHOUT_EFFECT: ReadonlySet<SettingName> = new Set<SettingName>([
  ...NOT_WITH_CHECK,
  'local-tls-cert',
  'local-tls-key',
  'local-auth',
  'local-users-file',
  'same-user',
  'allow-users',
  'allow-databases',
  'refuse-replication',
  'max-sessions',
  'max-logins',
  'idle-session-timeout',
  'max-session-age',
  'login-timeout',
  'warm',
  'drain-timeout',
  'drain-delay',
  'workers',
  'exit-when-idle',
  'fail-fast',
  'admin-address',
  'admin-port',
  'admin-quit',
  'log-level',
  'log-format',
]);

export const CHECK: Command = {
  name: 'check',
  aliases: ['doctor'],
  synopsis: ['check <server...> [flags]', 'check --config FILE [--json]'],
  summary: 'say step by step what is wrong between here and the server, and how to mend it',
  description: [
    'Looks at all that a login depends on, and tells what it sees: DNS, TCP, TLS, the credential, what the token says of itself, the login, the role, the server, and the port to listen on. Each step is ok, has a warning, or failed; then the repair is told, SQL included. Steps that build on one that failed are skipped, the others are not.',
    'Takes whatever run takes: where that does not work, put check in the place of run. Of a file, it looks at all servers, and at the logins of all client users. No secret is printed: the output can be shown to others.',
  ],
  takes: (name) => !WITHOUT_EFFECT.has(name),
  options: { json: { help: 'one JSON object at the end, for scripts' } },
  examples: [
    { what: 'as whoever has logged in with az', line: 'pg-entra-proxy check myserver' },
    {
      what: 'as the identity of a virtual machine, into a certain database',
      line: 'pg-entra-proxy check myserver --credential managed-identity --user my-vm --database app',
    },
    {
      what: 'what failed, for a script',
      line: `pg-entra-proxy check myserver --json | jq '.steps[] | select(.status == "failed")'`,
    },
  ],
  notes: [
    {
      heading: 'Time',
      paragraphs: [
        'No step of the network waits longer than --connect-timeout; a token is waited for 30 s, or 5 minutes where somebody has to sign in. Ctrl-C ends it at once.',
      ],
    },
    {
      heading: 'Exit status',
      paragraphs: [
        '0 all is well, or there are warnings only; 1 something failed; 2 bad usage or configuration.',
      ],
    },
  ],
};
