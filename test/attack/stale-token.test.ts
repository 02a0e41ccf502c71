import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attack, startAttack } from '../support/after-attack.ts';
import { fatal, STARTUP, WELCOME } from '../support/messages.ts';
import { connectPg } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { createTestToken } from '../support/tokens.ts';

const EXPIRED = fatal(
  '28000',
  'The access token has expired. Acquire a new token and retry. Expired at 2026-01-01T00:00:00Z.',
);

/** The server's own fields come first and as they were; the proxy's HINT is behind them. */
function assertRefusal(heard: Buffer): void {
  const own = EXPIRED.subarray(5, -1);
  assert.deepEqual(heard.subarray(5, 5 + own.length), own);
  assert.match(heard.subarray(5 + own.length).toString(), /^H[^\0]*The role asked for is[^\0]*\0\0$/);
}

function acceptOnly(attack: Attack, token: string | undefined): void {
  attack.server.script = async (connection) => {
    const answer = (await connection.acceptToken()) === token ? WELCOME : EXPIRED;
    connection.send(answer);
    if (answer === EXPIRED) return connection.end();
    await connection.serve();
  };
}

test('a token that the server calls expired is replaced once, and the client hears nothing of it', async () => {
  await using attack = await startAttack();
  await attack.proxy.tokens.getToken();
  const fresh = createTestToken();
  attack.tokens.token = fresh;
  acceptOnly(attack, fresh);
  const client = new RawClient(attack.proxy.port).send(STARTUP);
  assert.deepEqual(await client.hear(WELCOME.length), WELCOME);
  client.socket.destroy();
  await attack.proxy.idle();
  assert.deepEqual(attack.server.passwords, [attack.token, fresh]);
  await using next = await connectPg(attack.proxy.port);
  await next[Symbol.asyncDispose]();
  await attack.assertUnharmed();
});

test("when the fresh token is refused too, the server's own words reach the client", async () => {
  await using attack = await startAttack();
  await attack.proxy.tokens.getToken();
  attack.tokens.token = createTestToken();
  acceptOnly(attack, undefined);
  const heard = await new RawClient(attack.proxy.port).send(STARTUP).end();
  assertRefusal(heard);
  await attack.proxy.idle();
  assert.equal(attack.server.passwords.length, 2);
  await attack.assertUnharmed();
});

test('when there is no other token, the server is asked once and its words reach the client', async () => {
  await using attack = await startAttack();
  acceptOnly(attack, undefined);
  assertRefusal(await new RawClient(attack.proxy.port).send(STARTUP).end());
  await attack.proxy.idle();
  assert.equal(attack.server.passwords.length, 1);
  await attack.assertUnharmed();
});

test('a server that calls every token stale cannot make the proxy fetch one for each login', async () => {
  await using attack = await startAttack();
  attack.tokens.fetchToken = async () => {
    attack.tokens.fetches += 1;
    attack.tokens.token = createTestToken();
    return Object.getPrototypeOf(attack.tokens).fetchToken.call(attack.tokens);
  };
  acceptOnly(attack, undefined);
  const clients = Array.from({ length: 20 }, () => new RawClient(attack.proxy.port).send(STARTUP).end());
  for (const heard of await Promise.all(clients)) assertRefusal(heard);
  assert.ok(attack.tokens.fetches <= 4, `${attack.tokens.fetches} fetches`);
  await attack.assertUnharmed();
});
