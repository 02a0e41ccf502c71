import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { clock, tokenLog } from '../../../src/identity/token-log.ts';
import type { Logger } from '../../../src/log.ts';
import { jwt } from '../tokens.ts';

/** A logger at its most verbose, and the lines it has written. */
function capture(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const log: Logger = pino({ level: 'trace', base: null }, stream);
  return { log, lines };
}

function levelsOf(lines: readonly string[]): (string | undefined)[] {
  return lines.map((line) => pino.levels.labels[(JSON.parse(line) as { level: number }).level]);
}

const EXPIRES_AT = Date.UTC(2026, 0, 1);

test('a change of state is told aloud, every further try quietly', () => {
  const { log, lines } = capture();
  const listener = tokenLog(log);
  const refreshed = {
    kind: 'refreshed',
    token: { value: jwt({}), expiresAt: EXPIRES_AT, claims: undefined },
  } as const;
  const failed = { kind: 'failed', error: new Error('no network'), validUntil: EXPIRES_AT } as const;
  const hopeless = { ...failed, validUntil: undefined };
  for (const event of [refreshed, failed, failed, hopeless, refreshed, refreshed, hopeless]) listener(event);
  assert.deepEqual(levelsOf(lines), ['debug', 'warn', 'debug', 'error', 'info', 'debug', 'error']);
});

test('no line holds a token', () => {
  const { log, lines } = capture();
  const token = jwt({ upn: 'alice@contoso.com' }, 'canary');
  const listener = tokenLog(log);
  const cause = new Error(`header ${token}`);
  listener({ kind: 'refreshed', token: { value: token, expiresAt: EXPIRES_AT, claims: { upn: 'canary' } } });
  listener({ kind: 'failed', error: new Error(`got ${token}`, { cause }), validUntil: undefined });
  assert.equal(lines.length, 2);
  assert.doesNotMatch(lines.join(''), /canary|eyJ/);
  assert.match(lines[1] ?? '', /no login possible/);
});

test('a failure says how long the token in hand serves', () => {
  const { log, lines } = capture();
  const failed = { kind: 'failed', error: new Error('no network'), validUntil: EXPIRES_AT } as const;
  tokenLog(log)(failed);
  const { msg, validUntil } = JSON.parse(lines[0] ?? '') as { msg: string; validUntil: string };
  assert.ok(msg.includes(clock(EXPIRES_AT)), msg);
  assert.ok(msg.includes('no network'), msg);
  assert.equal(validUntil, '2026-01-01T00:00:00.000Z');
});

test('a time is told without its date when it is near, and with it when it is not', () => {
  assert.match(clock(Date.now() + 60_000), /^\d\d:\d\d:\d\d$/);
  assert.match(clock(Date.now() + 20 * 3_600_000), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
});
