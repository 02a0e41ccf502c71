import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { type EntranceName, onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError, type RawClient } from '../support/raw-client.ts';

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

/** Within TLS an SSLRequest is refused at once, and so is what is no answer; a Unix socket is read as TCP is. */
function has(name: EntranceName, what: string): boolean {
  if (name === 'TLS') return what !== 'sends nothing after SSLRequest';
  return name === 'TCP' || what === 'says nothing';
}

onEachEntrance(
  (start, name) => {
    for (const [what, act] of Object.entries(SLOW)) {
      if (!has(name, what)) continue;
      test(`a client that ${what} is 57P05 at the login deadline`, async () => {
        await using attack = await start({ loginTimeoutMs: 300 });
        const client = await attack.connect();
        act(client);
        const heard = await client.end();
        const error = await onlyError(heard[0] === 'N'.charCodeAt(0) ? heard.subarray(1) : heard);
        assert.equal(error.code, '57P05');
        assert.match(error.hint ?? '', /--login-timeout/);
        assert.equal(attack.server.connections.length, 0);
        await attack.assertUnharmed();
      });
    }
  },
  { SCRAM: 'as TCP, until it is asked' },
);
