import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';

const SLOW: Readonly<Record<string, (client: RawClient) => void>> = {
  'says nothing': () => {},
  'sends half a packet and waits': (client) => client.send(STARTUP.subarray(0, 20)),
  'sends half a length and waits': (client) => client.send(STARTUP.subarray(0, 2)),
  'sends nothing after SSLRequest': (client) => client.send(SSL_REQUEST),
  'dribbles byte by byte': (client) => {
    let sent = 0;
    const timer = setInterval(() => {
      if (sent === STARTUP.length - 1 || client.ended) clearInterval(timer);
      else client.send(STARTUP.subarray(sent, ++sent));
    }, 15);
  },
};

for (const [what, act] of Object.entries(SLOW)) {
  test(`a client that ${what} is 57P05 at the login deadline`, async () => {
    await using attack = await startAttack({ loginTimeoutMs: 300 });
    const client = new RawClient(attack.proxy.port);
    act(client);
    const heard = await client.end();
    const error = await onlyError(heard[0] === 'N'.charCodeAt(0) ? heard.subarray(1) : heard);
    assert.equal(error.code, '57P05');
    assert.match(error.hint ?? '', /--login-timeout/);
    assert.equal(attack.server.connections.length, 0);
    await attack.assertUnharmed();
  });
}
