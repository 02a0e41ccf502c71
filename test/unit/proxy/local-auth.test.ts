import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PeerClosedError, ProxyError } from '../../../src/errors.ts';
import { type LocalUser, LocalUsers } from '../../../src/local/local-users.ts';
import { authenticateClient, type LocalAuthentication } from '../../../src/proxy/local-auth.ts';
import { SocketReader } from '../../../src/socket-reader.ts';
import { localUsers, SECRET } from '../../support/local-listener.ts';
import { authentication, CLEARTEXT_PASSWORD } from '../../support/messages.ts';
import { attributesOf, ScramClient } from '../../support/scram-client.ts';
import { until } from '../../support/wait.ts';
import { WireClient } from '../../support/wire.ts';
import { int32, message } from '../bytes.ts';
import { connectPair } from '../sockets.ts';

const SCRAM = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';
const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };

let users: LocalUsers;
before(async () => {
  users = await localUsers({ app: 'pencil', prepared: 'IX', empty: '' });
});

/** A login under way, the client's end of it, and how it ends. */
async function start(options: Partial<LocalAuthentication> = {}) {
  const pair = await connectPair();
  const abort = new AbortController();
  const reader = new SocketReader(pair.near, 'client');
  const settings = { method: 'scram-sha-256', user: 'app', users, failureDelayMs: 0, ...options } as const;
  const end = authenticateClient(pair.near, reader, settings, abort.signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  const client = new WireClient(pair.far);
  return { client, end, abort, pair, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

function choice(mechanism: string, data: Buffer): Buffer {
  return message('p', Buffer.concat([Buffer.from(`${mechanism}\0`), int32(data.length), data]));
}

/** Goes through the SCRAM dialogue as far as the proof. */
async function prove(client: WireClient, scram: ScramClient, mechanism = SCRAM, boundTo?: Buffer) {
  await client.wait('R');
  client.send(choice(mechanism, scram.first));
  const challenge = (await client.wait('R', 2)).body.toString('latin1', 4);
  client.send(message('p', scram.final(challenge, boundTo === undefined ? {} : { boundTo })));
  return challenge;
}

function heard(client: WireClient): Buffer {
  return Buffer.concat(client.messages.map(({ type, body }) => message(type, body)));
}

async function givePassword(user: string, password: Buffer | string, from = users): Promise<unknown> {
  await using login = await start({ method: 'password', user, users: from });
  await login.client.wait('R');
  login.client.send(message('p', Buffer.concat([Buffer.from(password as string), Buffer.of(0)])));
  const end = await login.end;
  assert.deepEqual(heard(login.client), CLEARTEXT_PASSWORD, 'more was said than the request');
  return end;
}

function assertFailed(error: unknown, user: string): void {
  assert.ok(error instanceof ProxyError, String(error));
  assert.equal(error.sqlState, '28P01');
  assert.equal(error.message, `password authentication failed for user "${user}"`);
  assert.match(error.hint ?? '', /--local-users-file/);
}

test('the right password is taken, and no AuthenticationOk is sent for it', async () => {
  assert.equal(await givePassword('app', 'pencil'), undefined);
});

test('a password is prepared before it is compared', async () => {
  assert.equal(await givePassword('prepared', 'I\u00adX'), undefined);
  assert.equal(await givePassword('prepared', '\u2168'), undefined);
});

test('a wrong password, a wrong user and no password are refused in the same words', async () => {
  for (const password of ['Pencil', '', Buffer.from([0xff]), 'x'.repeat(65_534)]) {
    assertFailed(await givePassword('app', password), 'app');
  }
  assertFailed(await givePassword('nobody', 'pencil'), 'nobody');
  assertFailed(await givePassword('App', 'pencil'), 'App');
  assertFailed(await givePassword('', 'pencil'), '');
  assertFailed(await givePassword('empty', ''), 'empty');
});

test('an unknown user is refused even with a password that fits', async () => {
  const { verifier } = users.find('app');
  class Unknown extends LocalUsers {
    override find(): LocalUser {
      return { isKnown: false, verifier };
    }
  }
  assertFailed(await givePassword('app', 'pencil', new Unknown(new Map(), SECRET)), 'app');
});

test('a user name is shown on one line, however it was given', async () => {
  assertFailed(await givePassword('a\nb\u001b[31m', 'pencil'), 'a?b?[31m');
});

test('SCRAM lets in who proves to know the password, and says no AuthenticationOk', async () => {
  await using login = await start();
  const scram = new ScramClient('pencil');
  const challenge = await prove(login.client, scram);
  assert.equal(await login.end, undefined);
  await login.client.wait('R', 3);
  const expected = [
    authentication(10, `${SCRAM}\0\0`),
    authentication(11, challenge),
    authentication(12, scram.expectedServerFinal),
  ];
  assert.deepEqual(heard(login.client), Buffer.concat(expected));
});

test('a client may wait for an empty challenge before it says its first word', async () => {
  await using login = await start();
  const scram = new ScramClient('pencil');
  await login.client.wait('R');
  login.client.send(message('p', Buffer.concat([Buffer.from(`${SCRAM}\0`), int32(0xff_ff_ff_ff)])));
  assert.deepEqual((await login.client.wait('R', 2)).body, int32(11));
  login.client.send(message('p', scram.first));
  const challenge = (await login.client.wait('R', 3)).body.toString('latin1', 4);
  login.client.send(message('p', scram.final(challenge)));
  assert.equal(await login.end, undefined);
});

test('an unknown user goes through the same dialogue as a wrong password, with a salt that stays', async () => {
  const salts: string[] = [];
  for (const [user, password] of [
    ['nobody', 'pencil'],
    ['nobody', 'pencil'],
    ['app', 'wrong'],
  ] as const) {
    await using login = await start({ user });
    const challenge = attributesOf(await prove(login.client, new ScramClient(password)));
    assertFailed(await login.end, user);
    assert.equal(login.client.messages.length, 2);
    assert.equal(challenge['i'], '4096');
    salts.push(challenge['s'] ?? '');
  }
  assert.equal(salts[0], salts[1]);
  assert.equal(salts[0]?.length, 24);
});

test('with channel binding data, SCRAM-SHA-256-PLUS is offered first and checked', async () => {
  const channelBinding = Buffer.alloc(32, 1);
  for (const boundTo of [channelBinding, Buffer.alloc(32, 2)]) {
    await using login = await start({ channelBinding });
    assert.deepEqual(
      (await login.client.wait('R')).body,
      Buffer.concat([int32(10), Buffer.from(`${PLUS}\0${SCRAM}\0\0`)]),
    );
    await prove(login.client, new ScramClient('pencil', 'p=tls-server-end-point,,'), PLUS, boundTo);
    const end = await login.end;
    if (boundTo === channelBinding) assert.equal(end, undefined);
    else assert.equal((end as ProxyError).message, 'SCRAM channel binding check failed');
  }
});

test('who fails waits for the answer', async () => {
  await using login = await start({ failureDelayMs: 150 });
  const begin = performance.now();
  await prove(login.client, new ScramClient('wrong'));
  assertFailed(await login.end, 'app');
  assert.ok(performance.now() - begin >= 149);
});

test('who fails and leaves, or is stopped, while it waits has failed all the same, and at once', async () => {
  await using login = await start({ failureDelayMs: 60_000 });
  await prove(login.client, new ScramClient('wrong'));
  const { near, far } = login.pair;
  await until('the proof to be read', () => near.bytesRead === far.bytesWritten && near.readableLength === 0);
  login.abort.abort(new PeerClosedError('client'));
  assertFailed(await login.end, 'app');
});

test('the signal ends the wait for an answer with its reason', async () => {
  await using login = await start();
  await login.client.wait('R');
  const reason = new Error('enough');
  login.abort.abort(reason);
  assert.equal(await login.end, reason);
});

test('a client that leaves when it is asked has left, and not failed', async () => {
  for (const method of ['password', 'scram-sha-256'] as const) {
    await using login = await start({ method });
    await login.client.wait('R');
    login.client.socket.end();
    const end = await login.end;
    assert.ok(end instanceof PeerClosedError && end.peer === 'client', String(end));
  }
});

test('an answer that makes no sense is refused with 08P01 and a hint, and without delay', async () => {
  const nul = Buffer.from('pen\0cil\0');
  for (const [method, answer] of [
    ['password', message('Q', 'select 1\0')],
    ['password', message('p', nul)],
    ['password', message('p', 'pencil')],
    ['password', Buffer.concat([Buffer.from('p'), int32(70_000)])],
    ['scram-sha-256', message('Q', 'select 1\0')],
    ['scram-sha-256', message('p', 'pencil\0')],
    ['scram-sha-256', choice('PLAIN', Buffer.from('\0app\0pencil'))],
    ['scram-sha-256', choice(PLUS, new ScramClient('pencil', 'p=tls-server-end-point,,').first)],
    ['scram-sha-256', choice(SCRAM, Buffer.alloc(0))],
    ['scram-sha-256', choice(SCRAM, Buffer.from(`n,,n=${'u'.repeat(1_024)},r=x`))],
  ] as const) {
    await using login = await start({ method, failureDelayMs: 60_000 });
    await login.client.wait('R');
    login.client.send(answer);
    const error = await login.end;
    assert.throws(
      () => {
        throw error;
      },
      VIOLATION,
      answer.toString('latin1', 0, 40),
    );
  }
});
