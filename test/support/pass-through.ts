import assert from 'node:assert/strict';
import type { DatabaseError } from 'pg';
import type { ClientLogin } from '../../src/proxy/policy.ts';
import { type Attack, type AttackOptions, startAttack } from './after-attack.ts';
import { CLEARTEXT_PASSWORD, int32, message, packet } from './messages.ts';
import { onlyError, type RawClient } from './raw-client.ts';
import type { Script } from './scripted-server.ts';

/** Protocol 3.0: user "passed", database "app". */
export const STARTUP = packet(int32(0x00_03_00_00), 'user\0passed\0database\0app\0\0');

export const PASSWORD = message('p', 'its own password\0');

/** A map that lets these users log in as themselves. */
export function passing(...users: readonly string[]): ReadonlyMap<string, ClientLogin> {
  return new Map(users.map((user) => [user, { kind: 'passThrough' }]));
}

/** A proxy towards a scripted server that passes the user "passed" through, and nobody else. */
export function startPassing(options: AttackOptions = {}): Promise<Attack> {
  return startAttack({ clientUsers: passing('passed'), ...options });
}

/** Asks for a password, and does not care for it. */
export const askForPassword: Script = async (connection) => {
  await connection.acceptStartup();
  connection.send(CLEARTEXT_PASSWORD);
  await connection.untilGone();
};

/** The one error that the proxy closed with, and what the client had heard before it. */
export async function lastError(client: RawClient): Promise<{ error: DatabaseError; before: Buffer }> {
  const all = await client.end();
  let last = 0;
  for (let at = 0; at < all.length; at += 1 + all.readUInt32BE(at + 1)) last = at;
  return { error: await onlyError(all.subarray(last)), before: all.subarray(0, last) };
}

/** That no token was fetched or sent, on top of what holds after every attack. */
export async function assertUnharmed(attack: Attack): Promise<void> {
  assert.equal(attack.tokens.fetches, 0, 'a token was fetched');
  attack.assertTokenKept();
  await attack.assertUnharmed();
}
