import { SETTINGS, type SettingName } from '../../config/settings.ts';
import type { Command } from './command.ts';

const OTHERS: ReadonlySet<SettingName> = new Set<SettingName>(['preset', 'config']);

export const TOKEN: Command = {
  name: 'token',
  synopsis: ['token [server...] [flags] [--json]', 'token [flags] --raw'],
  summary: 'get a token as the proxy does, and show what it says; never the token itself',
  description: [
    'Gets a token and shows which credential it is from (and which were passed over, and why), whose it is, what for, how long it is valid, and the role that the proxy would log in as. With servers, here or in the file, that is done for each identity that they have.',
    'The token itself is only printed by --raw: into a pipe, or a file that nobody else can read. It is as good as a password for as long as it is valid.',
  ],
  takes: (name) => SETTINGS[name].group === 'Identity' || OTHERS.has(name),
  options: {
    raw: { help: 'print the token and nothing else; not on a terminal' },
    'yes-show-token': { help: 'with --raw: on a terminal too' },
    json: { help: 'the same as JSON' },
  },
  examples: [
    { what: 'as whom would the proxy log in?', line: 'pg-entra-proxy token' },
    {
      what: 'does the managed identity of this machine work?',
      line: 'pg-entra-proxy token --credential managed-identity',
    },
    { what: 'all identities of a file', line: 'pg-entra-proxy token --config proxy.yaml' },
    {
      what: 'for psql without a proxy, once: psql -h SERVER -U ROLE postgres',
      line: 'export PGPASSWORD="$(pg-entra-proxy token --raw)" PGSSLMODE=verify-full PGSSLROOTCERT=system',
    },
  ],
  notes: [
    {
      heading: 'Exit status',
      paragraphs: [
        '0 when there is a token that the proxy would use; 1 if there is none, with the reason; 2 bad usage or configuration.',
      ],
    },
  ],
};
