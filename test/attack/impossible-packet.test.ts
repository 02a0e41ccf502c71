import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import { GSSENC_REQUEST, int32, packet, SSL_REQUEST, STARTUP } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';
import { onlyError, RawClient } from '../support/raw-client.ts';

const V3 = int32(0x00_03_00_00);

const PACKETS: Readonly<Record<string, Buffer>> = {
  'a packet of 10,005 bytes': packet(V3, 'user\0', 'x'.repeat(9_990), '\0\0'),
  'a length of 10,005 alone': int32(10_005),
  'a length of 2^31-1': Buffer.concat([int32(0x7f_ff_ff_ff), V3]),
  'a length of 2^32-1': Buffer.concat([int32(0xff_ff_ff_ff), V3]),
  'a length of 0': Buffer.concat([int32(0), V3]),
  'a length of 4': Buffer.concat([int32(4), V3]),
  'a length of 7': Buffer.concat([int32(7), V3]),
  'parameters without an end': packet(V3, 'user\0anyone\0database\0app'),
  'a name without a value': packet(V3, 'user\0anyone\0database\0'),
  'bytes behind the terminator': packet(V3, 'user\0anyone\0\0more'),
  'a startup message without parameters': packet(V3),
  'an SSLRequest with a tail': packet(int32(80_877_103), 'tail'),
  'a CancelRequest without a key': packet(int32(80_877_102), int32(1)),
  'a CancelRequest with a key of 300 bytes': packet(int32(80_877_102), int32(1), Buffer.alloc(300)),
};

onEachEntrance(
  (start) => {
    for (const [what, bytes] of Object.entries(PACKETS)) {
      test(`${what} is 08P01`, async () => {
        await using attack = await start();
        const client = await attack.connect();
        const error = await client.send(bytes).refusal();
        assert.equal(error.code, '08P01');
        assert.equal(attack.server.connections.length, 0);
        await attack.assertUnharmed();
      });
    }
  },
  { SCRAM: 'as TCP, until it is asked', asked: 'an answer is a message: garbage.test.ts has such' },
);

onEachEntrance(
  (start) => {
    for (const [name, request] of Object.entries({
      SSLRequest: SSL_REQUEST,
      GSSENCRequest: GSSENC_REQUEST,
    })) {
      test(`a startup message in one write with ${name} is 08P01, not a login`, async () => {
        await using attack = await start();
        const client = await attack.connect();
        const error = await client.send(request, STARTUP).refusal();
        assert.equal(error.code, '08P01');
        assert.match(error.message, /unencrypted data/);
        assert.equal(attack.server.connections.length, 0);
        await attack.assertUnharmed();
      });

      test(`a second ${name} is 08P01`, async () => {
        await using attack = await start();
        const client = (await attack.connect()).send(request);
        assert.equal((await client.hear(1)).toString(), 'N');
        const heard = await client.send(request).end();
        const error = await onlyError(heard.subarray(1));
        assert.equal(error.code, '08P01');
        await attack.assertUnharmed();
      });
    }
  },
  { TLS: 'within TLS there is no more to ask for: see local-tls.test.ts', asked: 'an answer is a message' },
);

test('a startup packet of exactly 10,004 bytes is not refused for its length', async () => {
  await using attack = await startAttack();
  const head = 'user\0u\0database\0app\0search_path\0';
  const full = packet(V3, head, 'x'.repeat(10_004 - 8 - head.length - 2), '\0\0');
  assert.equal(full.length, 10_004);
  const error = await new RawClient(attack.proxy.port).send(full).refusal();
  assert.equal(error.code, '08P01');
  assert.match(error.message, /too long with the role put in/);
  await attack.assertUnharmed();
});
