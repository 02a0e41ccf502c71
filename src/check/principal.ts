import { z } from 'zod';
import { QueryError, type QuerySession } from './query-session.ts';
import { quoteLiteral } from './sql.ts';
import type { Fact } from './step.ts';

/** Whom a role stands for in Entra. */
interface Principal {
  readonly type: string;
  readonly objectId: string;
  readonly isAdmin: boolean;
}

/**
 * Whom a role stands for: as its security label says, which all may read, or the function that lists them.
 * `unknown` where the server is none of Azure's.
 */
export async function findPrincipal(
  session: QuerySession,
  role: string,
): Promise<Principal | 'none' | 'unknown'> {
  const name = quoteLiteral(role);
  const labels = await tryQuery(
    session,
    `select l.label from pg_catalog.pg_shseclabel l join pg_catalog.pg_roles r on r.oid = l.objoid
     where l.provider = 'pgaadauth' and l.classoid = 'pg_catalog.pg_authid'::regclass and r.rolname = ${name}`,
  );
  const label = labels?.[0]?.[0];
  if (typeof label === 'string') return readLabel(label);
  const listed = await tryQuery(
    session,
    `select p from (select row_to_json(l) as p from pg_catalog.pgaadauth_list_principals(false) l) as all_of_them
     where coalesce(p->>'rolename', p->>'rolname') = ${name} limit 1`,
  );
  // The function is not there, or not for everybody.
  if (listed === undefined) return 'unknown';
  const [row] = listed;
  return row === undefined ? 'none' : readListed(row[0] ?? '{}');
}

/** Such as `aadauth,oid=GUID,type=service,admin`. */
function readLabel(label: string): Principal {
  const parts = label.split(',').map((part) => part.trim());
  const valueOf = (key: string): string =>
    parts.find((part) => part.startsWith(`${key}=`))?.slice(key.length + 1) ?? 'unknown';
  return { type: valueOf('type'), objectId: valueOf('oid'), isAdmin: parts.includes('admin') };
}

const listedSchema = z.object({
  principaltype: z.string(),
  objectid: z.string(),
  isadmin: z.union([z.boolean(), z.number()]),
});

function readListed(json: string): Principal {
  const { principaltype: type, objectid: objectId, isadmin } = listedSchema.parse(JSON.parse(json));
  return { type, objectId, isAdmin: Boolean(isadmin) };
}

/** @returns undefined if the server does not take it. */
async function tryQuery(session: QuerySession, sql: string): Promise<(string | null)[][] | undefined> {
  try {
    return await session.query(sql);
  } catch (error) {
    if (error instanceof QueryError) return undefined;
    throw error;
  }
}

/** The same for people. */
export function principalFact(principal: Principal | 'none' | 'unknown'): Fact {
  return { name: 'Entra principal', value: principalText(principal) };
}

function principalText(principal: Principal | 'none' | 'unknown'): string {
  if (principal === 'unknown') return 'this server does not tell';
  if (principal === 'none') return 'no';
  const { type, objectId, isAdmin } = principal;
  return `${type}, object id ${objectId}${isAdmin ? ', an Entra administrator' : ''}`;
}
