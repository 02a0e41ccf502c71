import { duration } from '../../check/times.ts';
import { clock } from '../../identity/token-log.ts';
import { printable } from '../../redact.ts';
import type { LoginReport, TokenReport } from './report.ts';

/** The longest that one value is shown. */
const MAX_LENGTH = 200;

type Row = readonly [name: string, value: string];

/** A report as a table for people. */
export function tableOf(report: TokenReport, now = Date.now()): string {
  const { usedBy, credential, passedOver, logins } = report;
  const rows: Row[] = [
    ...several('used by', usedBy),
    ['credential', credential],
    ...several(
      'passed over',
      passedOver.map(({ name, reason }) => `${name} (${reason})`),
    ),
    ...claimRows(report),
    ['expires', expiry(report, now)],
    ...logins.flatMap(loginRows),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => name.padEnd(width) + printable(value, MAX_LENGTH)).join('\n');
}

function claimRows(report: TokenReport): Row[] {
  if (!report.isJwt) return [['kind', 'no JWT: it says nothing of itself']];
  const { kind, name, objectId, tenantId, issuer, applicationId, scopes, roles, groupCount } = report;
  const given: readonly (readonly [string, string | undefined])[] = [
    ['kind', kind],
    ['name', name ?? 'in no claim'],
    ['object id', objectId ?? 'none, and the server wants one'],
    ['tenant', tenantId],
    ['audience', audience(report)],
    ['issuer', issuer],
    ['application', applicationId],
    ['scopes', scopes?.join(' ') || undefined],
    ['roles', roles?.join(' ') || undefined],
    ['groups', groupCount === 0 ? undefined : String(groupCount)],
  ];
  return given.flatMap(([title, value]) => (value === undefined ? [] : [[title, value] as const]));
}

function audience({ audience: own, audienceFits }: TokenReport): string {
  if (own === undefined) return 'none, and the server wants one';
  if (audienceFits === undefined) return own;
  return `${own} (${audienceFits ? 'fits' : 'does not fit'})`;
}

/** `in 52 minutes, at 14:32:10` */
function expiry({ expiresAt, isExpiryKnown }: TokenReport, now: number): string {
  const time = expiresAt.getTime();
  const at = clock(time);
  if (!isExpiryKnown) return `not told; the proxy would ask for another at ${at}`;
  return time <= now ? `${duration(now - time)} ago, at ${at}` : `in ${duration(time - now)}, at ${at}`;
}

function loginRows({ usedBy, user, role, problem }: LoginReport): Row[] {
  const how = user === 'auto' ? '--user auto' : '--user';
  const who = usedBy === undefined ? how : `${how}, ${usedBy}`;
  return [['role', role === undefined ? `not known (${who}): ${problem?.message}` : `${role} (${who})`]];
}

/** The name in the first row only. */
function several(name: string, values: readonly string[]): Row[] {
  return values.map((value, index) => [index === 0 ? name : '', value]);
}

/** A report for machines: what is not known is not there. */
export function jsonOf(report: TokenReport, now = Date.now()): object {
  const { expiresAt, ...rest } = report;
  return { ...rest, expiresAt, expiresInSeconds: Math.floor((expiresAt.getTime() - now) / 1_000) };
}
