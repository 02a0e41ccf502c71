import type { Claims } from '../identity/claims.ts';
import type { ErrorFields } from '../protocol/error-response.ts';
import { KNOWN_REFUSALS } from '../proxy/server-hints.ts';
import { withoutTokens } from '../redact.ts';
import { quoteIdentifier, withCreation } from './sql.ts';
import { type Fact, type Finding, failed, type Repair } from './step.ts';

/** What the server was asked for. */
export interface Asked {
  readonly role: string;
  readonly database: string;
  readonly claims: Claims | undefined;
}

/** A server's refusal of a login, with what it means and what to do. */
export function explainRefusal(
  { message, sqlState, detail, hint }: ErrorFields,
  { role, database, claims }: Asked,
): Finding {
  const known = KNOWN_REFUSALS.find(({ pattern }) => pattern.test(message));
  const facts: Fact[] = [
    { name: 'role', value: role },
    { name: 'database', value: database },
    ...named('detail', detail),
    ...named("server's hint", hint),
    ...named('meaning', known?.meaning),
  ];
  const repair =
    known === undefined
      ? repairOf(sqlState, message, role, database)
      : withCreation(known.repair, role, claims);
  return failed(`the server says: ${withoutTokens(message)} (${sqlState})`, facts, repair);
}

/** PostgreSQL's own refusals. */
function repairOf(sqlState: string, message: string, role: string, database: string): Repair[] {
  const asAdministrator = 'As an administrator of the server:';
  if (/is not permitted to log in/.test(message))
    return [{ text: asAdministrator }, { sql: `alter role ${quoteIdentifier(role)} login;` }];
  switch (sqlState) {
    case '3D000':
      return [
        {
          text: 'Name a database that exists with --database; postgres always does. Names are case-sensitive.',
        },
      ];
    case '42501':
      return [
        { text: asAdministrator },
        { sql: `grant connect on database ${quoteIdentifier(database)} to ${quoteIdentifier(role)};` },
      ];
    case '53300':
      return [
        { text: 'Wait until others have gone, or raise max_connections (the role may have a limit too).' },
      ];
    case '57P03':
      return [{ text: 'Try again in a moment: the server is starting, stopping or failing over.' }];
    default:
      return [{ text: 'Check --user and --database.' }];
  }
}

function named(name: string, value: string | undefined): Fact[] {
  return value === undefined || value === '' ? [] : [{ name, value: withoutTokens(value) }];
}
