import { type Client, form, needsTcp } from './client.ts';
import { jdbcUrl } from './java.ts';
import { libpqParameters, PASSWORD, type Target } from './target.ts';

/** Tools that people have on their desks. */
export const DESKTOP_CLIENTS: readonly Client[] = [
  {
    name: 'dbeaver',
    title: 'DBeaver',
    language: 'text',
    place: 'New Database Connection, PostgreSQL',
    text: (target) =>
      form([...mainFields(target), ['Driver properties, gssEncMode', 'disable'], ...ssl(target)]),
    notes: (target) => [`Connect by: URL takes ${jdbcUrl(target)}`, ...passwordNote(target)],
    refuses: needsTcp,
  },
  {
    name: 'datagrip',
    aliases: ['intellij', 'jetbrains'],
    title: 'DataGrip',
    language: 'text',
    place: 'New, Data Source, PostgreSQL',
    text: (target) =>
      form([
        [
          'Authentication',
          target.needsPassword ? 'User & Password' : 'User & Password, the password left empty',
        ],
        ['User', target.user],
        ...(target.needsPassword ? [['Password', PASSWORD] as const] : []),
        ['URL', jdbcUrl(target)],
      ]),
    refuses: needsTcp,
  },
  {
    name: 'pgadmin',
    aliases: ['pgadmin4'],
    title: 'pgAdmin',
    language: 'json',
    place: 'a file for Tools, Import/Export Servers, or for PGADMIN_SERVER_JSON_FILE',
    text: serversJson,
    notes: passwordNote,
  },
];

function mainFields({ host, port, database, user, needsPassword }: Target): [string, string][] {
  return [
    ['Host', host],
    ['Port', String(port)],
    ['Database', database],
    ['Username', user],
    ['Password', needsPassword ? PASSWORD : '(empty)'],
  ];
}

function ssl({ tls }: Target): [string, string][] {
  if (tls.mode === 'disable') return [['SSL', 'off']];
  const mode: [string, string] = ['SSL, SSL mode', tls.mode];
  return tls.mode === 'require' ? [mode] : [mode, ['SSL, CA certificate', tls.rootCert]];
}

function passwordNote({ needsPassword }: Target): string[] {
  return needsPassword ? [] : ['Where it asks for a password, any will do, or none.'];
}

/** @see https://www.pgadmin.org/docs/pgadmin4/latest/import_export_servers.html */
function serversJson(target: Target): string {
  const { server, host, port, database, user } = target;
  const tls = libpqParameters(target).filter(([keyword]) => keyword.startsWith('ssl'));
  const entry = {
    Name: server,
    Group: 'Servers',
    Host: host,
    Port: port,
    MaintenanceDB: database,
    Username: user,
    ConnectionParameters: Object.fromEntries(tls),
  };
  return JSON.stringify({ Servers: { 1: entry } }, null, 2);
}
