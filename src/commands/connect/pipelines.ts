import type { Client } from './client.ts';
import { postgresUrl, urlCredentials } from './libpq.ts';
import { doubleQuoted, urlPart, urlQuery } from './quoting.ts';
import { PASSWORD, type Target, tlsParameters } from './target.ts';

/** What moves and makes data. */
export const PIPELINE_CLIENTS: readonly Client[] = [
  {
    name: 'dbt',
    title: 'dbt',
    language: 'yaml',
    place: '~/.dbt/profiles.yml; profile in dbt_project.yml must name it',
    text: profilesYml,
    notes: ({ needsPassword }) =>
      needsPassword ? [] : ['dbt wants a password in its profile; what it is does not matter.'],
  },
  {
    name: 'airflow',
    title: 'Apache Airflow',
    language: 'sh',
    place: 'the environment of Airflow; the URI alone does for airflow connections add --conn-uri',
    text: (target) => `export AIRFLOW_CONN_${variable(target)}='${airflowUri(target)}'`,
    notes: (target) => [
      `In a DAG: PostgresHook(postgres_conn_id="${variable(target).toLowerCase()}")`,
      ...(target.needsPassword ? ['What is special in a URL must be percent-encoded in the password.'] : []),
    ],
  },
];

/** @see https://docs.getdbt.com/docs/core/connect-data-platform/postgres-setup */
function profilesYml(target: Target): string {
  const { label, host, port, database, user, needsPassword } = target;
  return [
    `${label}:`,
    '  target: dev',
    '  outputs:',
    '    dev:',
    '      type: postgres',
    `      host: ${jinjaScalar(host)}`,
    `      port: ${port}`,
    `      dbname: ${jinjaScalar(database)}`,
    `      user: ${jinjaScalar(user)}`,
    `      password: ${jinjaScalar(needsPassword ? PASSWORD : 'unused')}`,
    '      schema: public',
    '      threads: 4',
    ...tlsParameters(target).map(([name, value]) => `      ${name}: ${jinjaScalar(value)}`),
  ].join('\n');
}

/** dbt renders each value as a Jinja template. */
function jinjaScalar(text: string): string {
  const literal = /\{[{%#]/.test(text) ? text.replaceAll('{', "{{ '{' }}") : text;
  return doubleQuoted(literal);
}

/** In its URI a Unix socket's directory is the host, percent-encoded. */
function airflowUri(target: Target): string {
  const { host, port, socket, database } = target;
  if (socket === undefined) return postgresUrl(target);
  const query = urlQuery(tlsParameters(target));
  return `postgresql://${urlCredentials(target)}@${urlPart(host)}:${port}/${urlPart(database)}?${query}`;
}

function variable({ label }: Target): string {
  return label.toUpperCase().replaceAll('-', '_');
}
