import { z } from 'zod';
import { QueryError, type QuerySession } from './query-session.ts';
import { type Fact, type Finding, ok, type Repair, warning } from './step.ts';
import { duration } from './times.ts';
import { untold } from './untold.ts';

/** How often the way to the server and back is measured. */
const ROUND_TRIPS = 5;

/** Clocks that differ by more are told of, in milliseconds: tokens are about minutes. */
const MAX_SKEW_MS = 30_000;

const aboutSchema = z.object({
  version: z.string(),
  user: z.string(),
  replica: z.boolean().nullable(),
  now: z.number(),
});

const tlsSchema = z.object({
  ssl: z.boolean(),
  version: z.string().nullable(),
  cipher: z.string().nullable(),
});

/**
 * Asks the server about itself.
 *
 * @param role - whom the login was for.
 */
export async function checkServer(session: QuerySession, role: string): Promise<Finding> {
  try {
    const { skewMs, ...about } = await askAbout(session);
    const facts: Fact[] = [
      { name: 'TLS', value: await askAboutTls(session) },
      { name: 'round trip', value: await measureRoundTrip(session) },
      { name: 'clock', value: describeSkew(skewMs) },
      ...(about.replica === true ? [{ name: 'replica', value: 'it is one: reading only' }] : []),
    ];
    return judge(`PostgreSQL ${about.version}`, facts, { skewMs, user: about.user, role });
  } catch (error) {
    return untold(error, 'itself');
  }
}

function judge(
  summary: string,
  facts: readonly Fact[],
  { skewMs, user, role }: { skewMs: number; user: string; role: string },
): Finding {
  const problems: string[] = [];
  const repair: Repair[] = [];
  if (Math.abs(skewMs) > MAX_SKEW_MS) {
    problems.push(describeSkew(skewMs));
    repair.push({
      text: "Set this machine's clock (NTP): tokens are refreshed, and taken for expired, by it.",
    });
  }
  if (user !== role) {
    problems.push(`the session's role is ${user}, not ${role}`);
    repair.push({
      text: `Something between, or a setting of the role, changes it: see "alter role ... set role".`,
    });
  }
  if (problems.length === 0) return ok(summary, facts);
  return warning(`${summary}, but ${problems.join(', and ')}`, facts, repair);
}

async function askAbout(session: QuerySession): Promise<z.infer<typeof aboutSchema> & { skewMs: number }> {
  const before = Date.now();
  const [row] = await session.query(`
    select json_build_object('version', current_setting('server_version'), 'user', current_user,
      'replica', pg_is_in_recovery(), 'now', extract(epoch from clock_timestamp())::float8)`);
  const middle = (before + Date.now()) / 2;
  const about = aboutSchema.parse(JSON.parse(row?.[0] ?? 'null'));
  return { ...about, skewMs: middle - about.now * 1_000 };
}

/** As the server itself sees the connection: something may stand before it. */
async function askAboutTls(session: QuerySession): Promise<string> {
  try {
    const [row] = await session.query(`
      select json_build_object('ssl', ssl, 'version', version, 'cipher', cipher)
      from pg_catalog.pg_stat_ssl where pid = pg_backend_pid()`);
    if (row === undefined) return 'the server does not tell';
    const { ssl, version, cipher } = tlsSchema.parse(JSON.parse(row[0] ?? 'null'));
    return ssl ? `${version}, ${cipher}` : 'ends before the server itself (a pooler of its own?)';
  } catch (error) {
    if (error instanceof QueryError) return `the server does not tell: ${error.message}`;
    throw error;
  }
}

async function measureRoundTrip(session: QuerySession): Promise<string> {
  const times: number[] = [];
  while (times.length < ROUND_TRIPS) {
    const start = performance.now();
    await session.query('select 1');
    times.push(performance.now() - start);
  }
  const [fastest = 0, , middle = 0] = times.toSorted((one, other) => one - other);
  return `${middle.toFixed(1)} ms, at best ${fastest.toFixed(1)} ms`;
}

/** @param skewMs - how far this machine is ahead. */
function describeSkew(skewMs: number): string {
  const by = Math.abs(skewMs);
  if (by < 1_000) return 'the same as here';
  return `this machine's clock is ${duration(by)} ${skewMs > 0 ? 'ahead' : 'behind'}`;
}
