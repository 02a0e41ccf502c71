import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startAttack } from '../support/after-attack.ts';
import {
  authentication,
  CLEARTEXT_PASSWORD,
  int32,
  message,
  notice,
  READY,
  report,
} from '../support/messages.ts';
import { refusedLogin } from '../support/raw-client.ts';

const NONSENSE: Readonly<Record<string, Buffer>> = {
  'a flood of NOTICEs': Buffer.concat(Array<Buffer>(2_000).fill(notice('x'.repeat(1_000)))),
  'a NOTICE of 30 KB': notice('x'.repeat(30_000)),
  'a message length of 2^31-1': Buffer.concat([Buffer.from('R'), int32(0x7f_ff_ff_ff), Buffer.alloc(64)]),
  'a message length of 2^32-1': Buffer.concat([Buffer.from('E'), int32(0xff_ff_ff_ff), Buffer.alloc(64)]),
  'a message length of 3': Buffer.concat([Buffer.from('R'), int32(3), Buffer.alloc(64)]),
  'a message length of 0': Buffer.concat([Buffer.from('N'), int32(0), Buffer.alloc(64)]),
  'an Authentication message without a code': message('R', Buffer.of(0, 0)),
  'a cleartext request with something behind it': authentication(3, 'more'),
  'an unknown type': message('?', 'what'),
  'a query result': Buffer.concat([message('C', 'SELECT 0\0'), READY]),
  'an ErrorResponse that is cut off': message('E', 'SFATAL\0VFATAL'),
  'random bytes': Buffer.concat([Buffer.of(0xff), randomBytes(1_000)]),
};

for (const [what, bytes] of Object.entries(NONSENSE)) {
  test(`${what} before AuthenticationOk is 08P01, and the token stays`, async () => {
    await using attack = await startAttack();
    attack.server.script = async (connection) => {
      await connection.acceptStartup();
      connection.send(bytes);
      await connection.untilGone();
    };
    const error = await refusedLogin(attack.proxy.port);
    assert.equal(error.code, '08P01');
    assert.match(error.hint ?? '', /--upstream-address/);
    attack.assertTokenKept();
    await attack.assertUnharmed();
  });
}

test('a second request for the password is 08P01, and the token is sent once', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.send(CLEARTEXT_PASSWORD);
    await connection.untilGone();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08P01');
  assert.match(error.message, /second time/);
  assert.match(error.hint ?? '', /--upstream-address/);
  const [heard] = attack.server.connections;
  await attack.assertUnharmed();
  assert.equal(heard?.unread.length, 0);
});

test('an endless ErrorResponse after the token is 08P01', async () => {
  await using attack = await startAttack();
  attack.server.script = async (connection) => {
    await connection.acceptToken();
    connection.send(report('E', { S: 'FATAL', C: '28000', M: 'x'.repeat(1_000_000) }));
    await connection.untilGone();
  };
  const error = await refusedLogin(attack.proxy.port);
  assert.equal(error.code, '08P01');
  assert.match(error.hint ?? '', /--upstream-address/);
  await attack.assertUnharmed();
});
