import type { Claims } from '../identity/claims.ts';
import { roleNameOf } from '../identity/role-name.ts';
import { kindOf } from '../identity/token-summary.ts';
import type { Repair } from './step.ts';

/** An object id, and nothing else that a token might call so. */
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A call that makes a role, as the program's hints have it. */
const CREATION = /select \* from pgaadauth_\w+\([^)]*\)/;

/** A text as SQL has it, whatever is in it and however the server reads backslashes. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? `E${quoted}` : quoted;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Makes the role that a token's owner logs in as. For the Entra administrator, in database postgres. By object
 * id where that is certain: a user whose token has another name than the role may mean a group's.
 */
export function createRole(role: string, claims: Claims | undefined, type = typeOf(claims)): string {
  const { oid } = claims ?? {};
  if (oid === undefined || !isFor(role, claims))
    return `select * from pgaadauth_create_principal(${quoteLiteral(role)}, false, false);`;
  const values = [role, oid, type].map(quoteLiteral).join(', ');
  return `select * from pgaadauth_create_principal_with_oid(${values}, false, false);`;
}

/** For a role that is there already, and has nothing to do with Entra yet; nothing where that might be wrong. */
export function makeEntraRole(role: string, claims: Claims | undefined): Repair[] {
  const { oid } = claims ?? {};
  if (oid === undefined || !isFor(role, claims)) return [];
  const label = quoteLiteral(`aadauth,oid=${oid},type=${typeOf(claims)}`);
  return [
    {
      text: 'If it is there already and meant for the owner of this token, as the Entra administrator, in database postgres:',
    },
    { sql: `security label for "pgaadauth" on role ${quoteIdentifier(role)} is ${label};` },
  ];
}

/** A hint in which SQL stands that makes a role, with the SQL for itself, and for the right role. */
export function withCreation(hint: string, role: string, claims: Claims | undefined): Repair[] {
  const match = CREATION.exec(hint);
  if (match === null) return [{ text: hint }];
  // What the server has said of the owner counts for more than what the token says.
  const type = match[0].includes("'service'") ? 'service' : undefined;
  const before = hint.slice(0, match.index).replace(/:? *$/, ':');
  const behind = hint.slice(match.index + match[0].length).replace(/^[;,.] */, '');
  const rest = behind === '' ? [] : [{ text: `${behind.slice(0, 1).toUpperCase()}${behind.slice(1)}` }];
  return [{ text: before }, { sql: createRole(role, claims, type) }, ...rest];
}

/** Whether a role can be meant for a token's owner, whose object id is one. */
function isFor(role: string, claims: Claims | undefined): boolean {
  return GUID.test(claims?.oid ?? '') && [role, undefined].includes(roleNameOf(claims));
}

function typeOf(claims: Claims | undefined): 'user' | 'service' {
  return kindOf(claims ?? {}) === "a user's" ? 'user' : 'service';
}
