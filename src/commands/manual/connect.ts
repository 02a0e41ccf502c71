import type { SettingName } from '../../config/settings.ts';
import { CLIENTS } from '../connect/clients.ts';
import type { Command } from './command.ts';

/** Settings that matter to clients, for the help; all others of `run` may stand there too. */
const SHOWN: ReadonlySet<SettingName> = new Set<SettingName>([
  'address',
  'port',
  'unix-socket',
  'local-tls-cert',
  'local-tls-key',
  'local-auth',
  'local-users-file',
  'same-user',
  'allow-remote-clients',
  'allow-users',
  'allow-databases',
  'user',
  'database',
  'config',
]);

const NAMES = CLIENTS.map(({ name }) => name);

export const CONNECT: Command = {
  name: 'connect',
  synopsis: ['connect <server...> [flags] [--for NAME] [--json]'],
  summary: 'print settings for clients: psql, JDBC, Python, Grafana and many more',
  description: [
    'Prints how clients connect to a proxy that runs with the same flags, environment and file: put connect in the place of run. It starts nothing, and asks nobody.',
    'With --for, standard output is what is to be pasted, and nothing else; where it goes and what is worth knowing is on standard error. A password is never printed: YOUR-PASSWORD stands for it.',
  ],
  takes: (name) => SHOWN.has(name),
  options: {
    for: { help: 'for which client; several with commas between them, or all', value: 'NAME', words: NAMES },
    as: { help: 'the user name that the client gives; default: one that gets in', value: 'USER' },
    json: { help: 'everything as JSON; with --for, of those clients' },
  },
  examples: [
    { what: 'the commonest', line: 'pg-entra-proxy connect myserver --database app' },
    { what: 'straight into psql', line: 'psql "$(pg-entra-proxy connect myserver --for url)"' },
    {
      what: 'a data source of Grafana, for a client user of the file',
      line: 'pg-entra-proxy connect --config proxy.yaml --for grafana --as report > proxy-datasource.yaml',
    },
  ],
  notes: [
    { heading: 'Clients', paragraphs: [`--for takes ${NAMES.join(', ')}; languages too, such as python.`] },
    {
      heading: 'Exit status',
      paragraphs: [
        '0 done; 1 if a client cannot use what the proxy listens on; 2 bad usage or configuration.',
      ],
    },
  ],
};
