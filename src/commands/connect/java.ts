import { type Client, needsTcp } from './client.ts';
import { urlPart, urlQuery } from './quoting.ts';
import { hostAndPort, PASSWORD, type Target, tlsParameters } from './target.ts';

const ENCODE = 'What is special in a URL must be percent-encoded in the password; or give it as a property.';

export const JAVA_CLIENTS: readonly Client[] = [
  {
    name: 'jdbc',
    aliases: ['java', 'pgjdbc', 'spring'],
    title: 'JDBC',
    language: 'text',
    text: (target) => jdbcUrl(target, credentials(target)),
    notes: ({ needsPassword }) => (needsPassword ? [ENCODE] : []),
    refuses: needsTcp,
  },
];

type Properties = readonly (readonly [string, string])[];

/**
 * Without gssEncMode the driver may try a failed login a second time.
 *
 * @see https://jdbc.postgresql.org/documentation/use/
 */
export function jdbcUrl(target: Target, properties: Properties = []): string {
  const query = urlQuery([...properties, ...tlsParameters(target), ['gssEncMode', 'disable']]);
  return `jdbc:postgresql://${hostAndPort(target)}/${urlPart(target.database)}?${query}`;
}

function credentials({ user, needsPassword }: Target): Properties {
  const who = ['user', user] as const;
  return needsPassword ? [who, ['password', PASSWORD]] : [who];
}
