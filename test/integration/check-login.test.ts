import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ALL_WELL, type CheckResult, check } from '../support/check.ts';
import { createTestFiles } from '../support/files.ts';
import { SERVER_NAME, startTestServer } from '../support/postgres.ts';
import { argumentsFor } from '../support/running-program.ts';
import { createTestToken } from '../support/tokens.ts';

const YEAR_MS = 365 * 86_400_000;
const OBJECT_ID = '77777777-8888-4999-aaaa-bbbbbbbbbbbb';
const OTHER_ID = '00000000-1111-4222-8333-444444444444';

const files = await createTestFiles();
after(() => files[Symbol.asyncDispose]());
const server = await startTestServer(undefined, {
  notAfter: new Date(Date.now() + YEAR_MS),
  hba: ['hostssl all native 127.0.0.1/32 scram-sha-256'],
});
after(() => server.postgres.stop());
const admin = (sql: string) => server.postgres.admin(sql);
const upstream = [...(await argumentsFor(server, files)).slice(1, -4), '--port', '0'];

/** What is left if the login is refused. */
const REFUSED = { ...ALL_WELL, login: 'failed', role: 'skipped', server: 'skipped' };

/** A role that takes a token with these claims, and the flags for it. */
async function createRole(
  role: string,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<{ flags: string[]; token: string }> {
  const token = createTestToken({ oid: OBJECT_ID, upn: undefined, idtyp: 'app', ...claims });
  await admin(`drop role if exists ${escapeIdentifier(role)}`);
  await admin(`create role ${escapeIdentifier(role)} login password ${escapeLiteral(token)}`);
  const path = await files.write(`token of ${role}`, token);
  return { flags: ['--user', role, '--credential', 'token-file', '--token-file', path], token };
}

function look({ flags, token }: { flags: string[]; token: string }, ...more: string[]): Promise<CheckResult> {
  return check([...upstream, ...flags, ...more], [token]);
}

test('a role that does not take the token fails, with the SQL that makes it for the owner of the token', async () => {
  const identity = await createRole('id-orders');
  await admin('drop role "id-orders"');
  const result = await look(identity);
  assert.deepEqual(result.statuses, REFUSED);
  assert.match(
    result.step('login').summary,
    /password authentication failed for user "id-orders" \(28P01\)$/,
  );
  assert.match(result.facts('login', 'meaning').join(), /There is no such Entra role/);
  assert.ok(
    result
      .repair('login')
      .endsWith(
        `\nselect * from pgaadauth_create_principal_with_oid('id-orders', '${OBJECT_ID}', 'service', false, false);`,
      ),
    result.repair('login'),
  );
});

test('a role with a PostgreSQL password of its own fails, with the SQL for an Entra role', async () => {
  const result = await look(await createRole('native'));
  assert.deepEqual(result.statuses, REFUSED);
  assert.equal(
    result.step('login').summary,
    'the server wants SCRAM authentication for role "native", not a token',
  );
  const lines = result.repair('login').split('\n');
  assert.ok(
    lines.includes(
      `select * from pgaadauth_create_principal_with_oid('native', '${OBJECT_ID}', 'service', false, false);`,
    ),
  );
  assert.ok(
    lines.includes(
      `security label for "pgaadauth" on role "native" is 'aadauth,oid=${OBJECT_ID},type=service';`,
    ),
  );
});

test('a database that is not there, or not for the role, fails although the token was taken', async () => {
  const identity = await createRole('visitor');
  const missing = await look(identity, '--database', 'no such');
  assert.deepEqual(missing.statuses, REFUSED);
  assert.match(missing.step('login').summary, /database "no such" does not exist \(3D000\)$/);
  assert.match(missing.repair('login'), /--database/);
  await admin('create database closed');
  await admin('revoke connect on database closed from public');
  const closed = await look(identity, '--database', 'closed');
  assert.deepEqual(closed.statuses, REFUSED);
  assert.ok(closed.repair('login').endsWith('\ngrant connect on database "closed" to "visitor";'));
});

test('a role that may not log in, or not once more, fails', async () => {
  const identity = await createRole('locked');
  await admin('alter role locked nologin');
  const locked = await look(identity);
  assert.deepEqual(locked.statuses, REFUSED);
  assert.ok(locked.repair('login').endsWith('\nalter role "locked" login;'));
  await admin('alter role locked login connection limit 0');
  const full = await look(identity);
  assert.deepEqual(full.statuses, REFUSED);
  assert.match(full.step('login').summary, /too many connections for role/);
  assert.match(full.repair('login'), /max_connections/);
});

test('what a role may do and is a member of is told, in however many steps', async () => {
  const identity = await createRole('member');
  await admin('create role readers; create role staff in role readers; alter role member createdb');
  await admin('grant staff to member');
  const result = await look(identity);
  assert.deepEqual(result.statuses, ALL_WELL);
  assert.deepEqual(result.facts('role', 'member of'), ['readers, staff']);
  assert.deepEqual(result.facts('role', 'may'), ['create databases']);
  assert.deepEqual(result.facts('role', 'Entra principal'), ['this server does not tell']);
});

/** Does to a role what `security label for "pgaadauth"` does; only Azure has the extension. */
async function label(role: string, text: string): Promise<void> {
  const oid = `(select oid from pg_roles where rolname = ${escapeLiteral(role)})`;
  const values = `${oid}, 'pg_authid'::regclass, 'pgaadauth', ${escapeLiteral(text)}`;
  await admin(`insert into pg_shseclabel (objoid, classoid, provider, label) values (${values})`);
}

test('whom a role stands for in Entra is read from its security label', async () => {
  const identity = await createRole('labelled');
  await label('labelled', `aadauth,oid=${OBJECT_ID},type=service,admin`);
  const result = await look(identity);
  assert.deepEqual(result.statuses, ALL_WELL);
  assert.equal(result.step('role').summary, '"labelled" exists, and is an Entra principal (service)');
  assert.deepEqual(result.facts('role', 'Entra principal'), [
    `service, object id ${OBJECT_ID}, an Entra administrator`,
  ]);
});

test('a role that stands for somebody else than the token is a warning; that of a group is not', async () => {
  const other = await createRole('somebody else');
  await label('somebody else', `aadauth,oid=${OTHER_ID},type=service`);
  const result = await look(other);
  assert.deepEqual(result.statuses, { ...ALL_WELL, role: 'warning' });
  assert.ok(
    result.repair('role').endsWith(`on role "somebody else" is 'aadauth,oid=${OBJECT_ID},type=service';`),
  );
  const group = await createRole('a group');
  await label('a group', `aadauth,oid=${OTHER_ID},type=group`);
  assert.deepEqual((await look(group)).statuses, ALL_WELL);
});

test('without a label, whom a role stands for is asked of the function that lists the principals', async () => {
  const listed = await createRole('listed');
  const unlisted = await createRole('unlisted');
  await admin(`
    set allow_system_table_mods = on;
    create function pg_catalog.pgaadauth_list_principals(isadminvalue boolean)
      returns table (rolename name, principaltype text, objectid text, tenantid text, ismfa int, isadmin int)
      language sql as $$ values ('listed'::name, 'service', '${OBJECT_ID}', '${OTHER_ID}', 0, 0) $$`);
  const result = await look(listed);
  assert.deepEqual(result.statuses, ALL_WELL);
  assert.deepEqual(result.facts('role', 'Entra principal'), [`service, object id ${OBJECT_ID}`]);
  const none = await look(unlisted);
  assert.deepEqual(none.statuses, { ...ALL_WELL, role: 'warning' });
  assert.equal(none.step('role').summary, '"unlisted" exists, but stands for nobody in Entra');
  await admin(
    'set allow_system_table_mods = on; drop function pg_catalog.pgaadauth_list_principals(boolean)',
  );
});

test('a session whose role is another than that of the login is a warning', async () => {
  const identity = await createRole('actor');
  await admin('create role mask; grant mask to actor; alter role actor set role = mask');
  const result = await look(identity);
  assert.deepEqual(result.statuses, { ...ALL_WELL, server: 'warning' });
  assert.match(result.step('server').summary, /but the session's role is mask, not actor$/);
});

test("a clock that differs from the server's is a warning", async () => {
  const behind = `const now = Date.now; Date.now = () => now() - 300_000;`;
  const module = await files.write('clock.mjs', behind);
  const { flags, token } = await createRole('late');
  const clock = { NODE_OPTIONS: `--import ${pathToFileURL(module).href}` };
  const result = await check([...upstream, ...flags], [token], clock);
  assert.deepEqual(result.statuses, { ...ALL_WELL, server: 'warning' });
  assert.match(result.step('server').summary, /but this machine's clock is \d minutes behind$/);
  assert.match(result.repair('server'), /NTP/);
});

test("each client user's login is looked at too; what it shares with the others is told once", async () => {
  const main = await createRole('main');
  const other = await createRole('batch');
  await createRole('Report');
  await admin(`alter role "Report" password ${escapeLiteral(main.token)}`);
  const file = await files.write(
    'proxy.yaml',
    `servers:
  - server: ${SERVER_NAME}
    client-users:
      good: { user: Report }
      misspelt: { user: report }
      absent: { user: "O'Brien" }
      batch: { user: batch, credential: token-file, token-file: ${other.flags.at(-1)} }
      broken: { user: batch, credential: token-file, token-file: /nowhere/token }
      legacy: { pass-through: true }
`,
  );
  const args = [...upstream.slice(1), ...main.flags, '--config', file].filter(
    (word) => word !== '--user' && word !== 'main',
  );
  const result = await check([...args], [main.token, other.token], { PGEP_USER: 'main' });
  assert.deepEqual(result.statuses, {
    ...ALL_WELL,
    'login good': 'ok',
    'role good': 'ok',
    'login misspelt': 'failed',
    'role misspelt': 'failed',
    'login absent': 'failed',
    'role absent': 'failed',
    'credential batch': 'ok',
    'claims batch': 'ok',
    'login batch': 'ok',
    'role batch': 'ok',
    'credential broken': 'failed',
    'claims broken': 'skipped',
    'login broken': 'skipped',
    'role broken': 'skipped',
    'login legacy': 'skipped',
  });
  assert.match(
    result.step('role', 'misspelt').summary,
    /no role "report" on this server, but there is "Report"$/,
  );
  assert.match(result.repair('role', 'misspelt'), /--user 'Report'/);
  assert.match(result.step('role', 'absent').summary, /no role "O'Brien" on this server$/);
  assert.match(result.repair('role', 'absent'), /_with_oid\('O''Brien', '/);
  assert.match(result.step('login', 'legacy').summary, /logs in as itself/);
  assert.equal(result.code, 1);
});
