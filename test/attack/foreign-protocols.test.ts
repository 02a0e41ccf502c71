import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startAttack } from '../support/after-attack.ts';
import { int32, packet } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';

test('an HTTP client is told in HTTP what it has come upon', async () => {
  await using attack = await startAttack();
  const response = await fetch(`http://127.0.0.1:${attack.proxy.port}/`, {
    headers: { connection: 'close' },
  });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /PostgreSQL, not HTTP/);
  await attack.assertUnharmed();
});

test('a client that starts with TLS gets a TLS alert', async () => {
  await using attack = await startAttack();
  const client = connectTls({ host: '127.0.0.1', port: attack.proxy.port, ALPNProtocols: ['postgresql'] });
  const [error] = (await once(client, 'error').catch((reason: unknown) => [reason])) as [
    NodeJS.ErrnoException,
  ];
  assert.match(error.code ?? '', /ALERT_HANDSHAKE_FAILURE/);
  client.destroy();
  await attack.assertUnharmed();
});

onEachEntrance(
  (start) => {
    test('an HTTP client with a long request is told all the same', async () => {
      await using attack = await start();
      const client = (await attack.connect()).send('POST / HTTP/1.1\r\n\r\n', 'x'.repeat(1_000_000));
      assert.match((await client.end()).toString(), /^HTTP\/1\.1 400 /);
      await attack.assertUnharmed();
    });

    for (const version of [0x00_01_00_00, 0x00_02_00_00]) {
      test(`a client of protocol ${version >>> 16}.0 gets an error as it knows them`, async () => {
        await using attack = await start();
        const client = (await attack.connect()).send(packet(int32(version), Buffer.alloc(288)));
        const text = (await client.end()).toString();
        assert.match(text, /^EFATAL: {2}unsupported frontend protocol \d\.0\n\0$/);
        await attack.assertUnharmed();
      });
    }

    for (const version of [0x00_04_00_00, 0x04_d2_00_00, 0xff_ff_ff_ff]) {
      test(`a client of protocol ${version >>> 16}.${version & 0xff_ff} is 0A000`, async () => {
        await using attack = await start();
        const error = await (await attack.connect()).send(packet(int32(version), 'user\0u\0\0')).refusal();
        assert.equal(error.code, '0A000');
        assert.match(error.hint ?? '', /protocol 3/);
        await attack.assertUnharmed();
      });
    }
  },
  { SCRAM: 'they are told before anybody is asked', asked: 'an answer is not a beginning' },
);
