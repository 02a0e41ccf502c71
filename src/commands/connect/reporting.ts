import { type Client, form, needsTcp } from './client.ts';
import { doubleQuoted } from './quoting.ts';
import { hostAndPort, PASSWORD, type Target, tlsParameters } from './target.ts';

const IN_CONTAINER =
  'In a container 127.0.0.1 is the container itself: run the proxy there too, or let both share a network or a Unix socket.';

const POSTGRES_PORT = 5432;

/** Dashboards and reports. */
export const REPORTING_CLIENTS: readonly Client[] = [
  {
    name: 'grafana',
    title: 'Grafana',
    language: 'yaml',
    place: 'provisioning/datasources/*.yaml',
    text: grafana,
    notes: () => [IN_CONTAINER],
    refuses: ({ socket, port }) =>
      socket === undefined || port === POSTGRES_PORT
        ? undefined
        : 'Of a Unix socket it takes the directory only, and port 5432: give the proxy --port 5432 with --unix-socket, or an --address',
  },
  {
    name: 'metabase',
    title: 'Metabase',
    language: 'text',
    place: 'Admin settings, Databases, Add database, PostgreSQL',
    text: (target) =>
      form([
        ['Host', target.host],
        ['Port', String(target.port)],
        ['Database name', target.database],
        ['Username', target.user],
        ['Password', target.needsPassword ? PASSWORD : '(empty)'],
        ...metabaseSsl(target),
        ['Additional JDBC options', 'gssEncMode=disable'],
      ]),
    notes: () => [IN_CONTAINER],
    refuses: needsTcp,
  },
  {
    name: 'power-bi',
    aliases: ['powerbi', 'pbi'],
    title: 'Power BI',
    language: 'json',
    place: 'a file with the ending .pbids, which Power BI Desktop opens',
    text: pbids,
    notes: (target) => [
      `It asks for credentials: choose Database, the user name ${target.user}, and ${target.needsPassword ? 'the password' : 'any password'}.`,
      ...(target.tls.mode === 'disable'
        ? ['It then offers to go on without encryption: that is right here.']
        : []),
      'Published reports are refreshed through an on-premises data gateway: the proxy must run on its machine.',
    ],
    refuses: needsTcp,
  },
  {
    name: 'tableau',
    title: 'Tableau',
    language: 'text',
    place: 'Connect, To a Server, PostgreSQL',
    text: (target) =>
      form([
        ['Server', target.host],
        ['Port', String(target.port)],
        ['Database', target.database],
        ['Authentication', 'Username and Password'],
        ['Username', target.user],
        ['Password', target.needsPassword ? PASSWORD : '(any)'],
        ['Require SSL', target.tls.mode === 'disable' ? 'off' : 'on'],
      ]),
    refuses: needsTcp,
  },
];

/** @see https://grafana.com/docs/grafana/latest/datasources/postgres/configure/ */
function grafana(target: Target): string {
  const { label, host, socket, database, user, needsPassword, tls } = target;
  return [
    'apiVersion: 1',
    'datasources:',
    `  - name: ${grafanaScalar(label)}`,
    '    type: postgres',
    `    url: ${grafanaScalar(socket === undefined ? hostAndPort(target) : host)}`,
    `    user: ${grafanaScalar(user)}`,
    '    jsonData:',
    `      database: ${grafanaScalar(database)}`,
    `      sslmode: ${tls.mode}`,
    ...(tls.mode === 'verify-full'
      ? ['      tlsConfigurationMethod: file-path', `      sslRootCertFile: ${grafanaScalar(tls.rootCert)}`]
      : []),
    ...(needsPassword ? ['    secureJsonData:', `      password: ${grafanaScalar(PASSWORD)}`] : []),
  ].join('\n');
}

/** In provisioning files `$` begins a variable, and `$$` is a dollar. */
function grafanaScalar(text: string): string {
  return doubleQuoted(text).replaceAll('$', '$$$$');
}

function metabaseSsl(target: Target): (readonly [string, string])[] {
  if (target.tls.mode === 'disable') return [['Use a secure connection (SSL)', 'off']];
  const [mode, rootCert] = tlsParameters(target).map(([, value]) => value);
  const on = [['Use a secure connection (SSL)', 'on'] as const, ['SSL Mode', mode ?? ''] as const];
  return rootCert === undefined ? on : [...on, ['SSL Root Certificate', rootCert]];
}

/** @see https://learn.microsoft.com/power-bi/connect-data/desktop-data-sources#use-pbids-files-to-get-data */
function pbids(target: Target): string {
  const address = { server: hostAndPort(target), database: target.database };
  const connection = { details: { protocol: 'postgresql', address }, options: {}, mode: 'Import' };
  return JSON.stringify({ version: '0.1', connections: [connection] }, null, 2);
}
