import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { STARTUP, WELCOME } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const TIMEOUT = { timeout: 60_000 };

const LIMITS = {
  'idle for too long': { idleTimeoutMs: 50, sweepMs: 10 },
  'too old': { maxAgeMs: 50, sweepMs: 10 },
} as const;

for (const [how, limits] of Object.entries(LIMITS)) {
  test(`peers that stay when their session was ${how} are left behind`, TIMEOUT, async () => {
    await using attack = await startAttack({ limits });
    attack.server.script = async (connection) => {
      await connection.acceptToken();
      connection.send(WELCOME);
      await connection.untilGone();
    };
    const clients = Array.from({ length: 20 }, () => new RawClient(attack.proxy.port).send(STARTUP));
    await until('the proxy to close', () => clients.every(({ ended }) => ended));
    // They keep their side open, and so does the server.
    await attack.proxy.idle();
    const said = attack.server.connections.map(({ heard }) => heard.subarray(-5).toString('latin1'));
    assert.deepEqual(new Set(said), new Set(['X\0\0\0\u0004']));
    for (const client of clients) client.socket.destroy();
  });

  test(`a client that resets as its session is ${how} does no harm`, TIMEOUT, async () => {
    await using attack = await startAttack({ limits });
    const clients = Array.from({ length: 20 }, () => new RawClient(attack.proxy.port).send(STARTUP));
    await Promise.all(clients.map((client) => client.hear(WELCOME.length + 1)));
    for (const client of clients) client.socket.resetAndDestroy();
    await attack.assertUnharmed();
  });
}
