import { z } from 'zod';
import type { Claims } from '../identity/claims.ts';
import { findPrincipal, principalFact } from './principal.ts';
import type { QuerySession } from './query-session.ts';
import { createRole, makeEntraRole, quoteIdentifier, quoteLiteral } from './sql.ts';
import { type Fact, type Finding, failed, ok, warning } from './step.ts';
import { untold } from './untold.ts';

/** What the server knows of a role. */
const roleSchema = z.object({
  name: z.string(),
  superuser: z.boolean(),
  creates_databases: z.boolean(),
  creates_roles: z.boolean(),
  replicates: z.boolean(),
  logs_in: z.boolean(),
  connections: z.number(),
  member_of: z.array(z.string()).nullable(),
});

type Role = z.infer<typeof roleSchema>;

/** How many of the roles that a role is a member of are named. */
const MAX_NAMED = 12;

/** Looks at the role that has logged in. */
export async function checkRole(
  session: QuerySession,
  role: string,
  claims: Claims | undefined,
): Promise<Finding> {
  try {
    const found = await findRole(session, 'rolname = session_user');
    if (found === undefined) return ok(`${role} exists`);
    return await describe(session, found, claims);
  } catch (error) {
    return untold(error, 'the role');
  }
}

/** Looks for a role that could not log in, through the eyes of another that could. */
export async function checkAbsentRole(
  session: QuerySession,
  role: string,
  claims: Claims | undefined,
): Promise<Finding> {
  try {
    const found = await findRole(session, `rolname = ${quoteLiteral(role)}`);
    if (found !== undefined) return await describe(session, found, claims);
    const similar = await findRole(session, `lower(rolname) = lower(${quoteLiteral(role)})`);
    const summary = `there is no role "${role}" on this server`;
    if (similar !== undefined)
      return failed(
        `${summary}, but there is "${similar.name}"`,
        [],
        [{ text: `Names are case-sensitive: give the role as it is, --user '${similar.name}'.` }],
      );
    return failed(
      summary,
      [],
      [{ text: 'As the Entra administrator, in database postgres:' }, { sql: createRole(role, claims) }],
    );
  } catch (error) {
    return untold(error, 'roles');
  }
}

async function findRole(session: QuerySession, condition: string): Promise<Role | undefined> {
  const [row] = await session.query(`
    with recursive groups as (
      select r.oid as role, m.roleid from pg_catalog.pg_roles r
        join pg_catalog.pg_auth_members m on m.member = r.oid where ${condition}
      union select g.role, m.roleid from groups g join pg_catalog.pg_auth_members m on m.member = g.roleid)
    select json_build_object('name', rolname, 'superuser', rolsuper, 'creates_databases', rolcreatedb,
      'creates_roles', rolcreaterole, 'replicates', rolreplication, 'logs_in', rolcanlogin,
      'connections', rolconnlimit, 'member_of', (select json_agg(distinct o.rolname)
        from groups g join pg_catalog.pg_roles o on o.oid = g.roleid where g.role = r.oid))
    from pg_catalog.pg_roles r where ${condition} limit 1`);
  return row === undefined ? undefined : roleSchema.parse(JSON.parse(row[0] ?? 'null'));
}

async function describe(session: QuerySession, role: Role, claims: Claims | undefined): Promise<Finding> {
  const principal = await findPrincipal(session, role.name);
  const facts = [principalFact(principal), ...roleFacts(role)];
  const { name } = role;
  if (!role.logs_in)
    return failed(`"${name}" exists, but may not log in`, facts, [
      { text: 'As an administrator of the server:' },
      { sql: `alter role ${quoteIdentifier(name)} login;` },
    ]);
  if (principal === 'unknown') return ok(`"${name}" exists`, facts);
  const relabel = makeEntraRole(name, claims);
  if (principal === 'none')
    return warning(`"${name}" exists, but stands for nobody in Entra`, facts, relabel);
  const isOther = claims?.oid !== undefined && claims.oid.toLowerCase() !== principal.objectId.toLowerCase();
  if (isOther && principal.type !== 'group')
    return warning(`"${name}" exists, but stands for somebody else in Entra than the token`, facts, relabel);
  return ok(`"${name}" exists, and is an Entra principal (${principal.type})`, facts);
}

function roleFacts(role: Role): Fact[] {
  const groups = role.member_of ?? [];
  const more = groups.length > MAX_NAMED ? `, and ${groups.length - MAX_NAMED} more` : '';
  const can = [
    role.superuser ? 'everything (superuser)' : undefined,
    role.creates_databases ? 'create databases' : undefined,
    role.creates_roles ? 'create roles' : undefined,
    role.replicates ? 'replicate' : undefined,
  ].filter((one) => one !== undefined);
  return [
    {
      name: 'member of',
      value: groups.length === 0 ? 'no role' : `${groups.slice(0, MAX_NAMED).join(', ')}${more}`,
    },
    ...(can.length === 0 ? [] : [{ name: 'may', value: can.join(', ') }]),
    ...(role.connections < 0 ? [] : [{ name: 'connections', value: `at most ${role.connections}` }]),
  ];
}
