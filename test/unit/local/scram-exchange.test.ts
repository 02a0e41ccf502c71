import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { ProxyError } from '../../../src/errors.ts';
import type { LocalUser } from '../../../src/local/local-users.ts';
import {
  acceptProof,
  challengeClient,
  type ScramChallenge,
  scramMechanisms,
} from '../../../src/local/scram-exchange.ts';
import { deriveVerifier } from '../../../src/local/scram-verifier.ts';
import { ScramClient } from '../../support/scram-client.ts';
import { anyBytes } from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };
const REFUSAL = { name: 'ProxyError', sqlState: '28000' };

/** The dialogue that RFC 7677 gives as an example: section 3. */
const RFC = {
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
    'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

const MECHANISM = 'SCRAM-SHA-256';
const PLUS = 'SCRAM-SHA-256-PLUS';
const BINDING = Buffer.alloc(32, 0xcb);
const BOUND = 'p=tls-server-end-point,,';

let user: LocalUser;
before(async () => {
  user = { isKnown: true, verifier: await deriveVerifier(Buffer.from('pencil'), RFC.salt) };
});

function challenge(client: ScramClient, mechanism = MECHANISM, channelBinding?: Buffer): ScramChallenge {
  return challengeClient(client.first, { user, mechanism, channelBinding });
}

test('the example of RFC 7677 is answered as it is there, byte for byte', () => {
  const options = { user, mechanism: MECHANISM, channelBinding: undefined, nonce: RFC.serverNonce };
  const given = challengeClient(Buffer.from(RFC.clientFirst), options);
  assert.equal(given.serverFirst, RFC.serverFirst);
  assert.equal(acceptProof(Buffer.from(RFC.clientFinal), given), RFC.serverFinal);
});

test('a client that knows the password gets in, and gets the server\u2019s own proof', () => {
  for (const header of ['n,,', 'y,,']) {
    const client = new ScramClient('pencil', header);
    const given = challenge(client);
    assert.equal(acceptProof(client.final(given.serverFirst), given), client.expectedServerFinal);
  }
});

test('a wrong password does not get in', () => {
  for (const password of ['Pencil', 'pencil ', '', 'pencil\u00a0']) {
    const client = new ScramClient(password);
    const given = challenge(client);
    assert.equal(acceptProof(client.final(given.serverFirst), given), undefined, JSON.stringify(password));
  }
});

test('an unknown user does not get in even with a proof that is right', () => {
  const client = new ScramClient('pencil');
  const given = challengeClient(client.first, {
    user: { ...user, isKnown: false },
    mechanism: MECHANISM,
    channelBinding: undefined,
  });
  assert.equal(acceptProof(client.final(given.serverFirst), given), undefined);
});

test('every challenge is another one, and a proof for one is none for the next', () => {
  const client = new ScramClient('pencil');
  const [first, second] = [challenge(client), challenge(client)];
  assert.notEqual(first.nonce, second.nonce);
  assert.match(first.nonce, /^rOprNGfwEbeRWgbNEkqO[A-Za-z0-9+/]{24}$/);
  const proof = client.final(first.serverFirst);
  assert.ok(acceptProof(proof, first));
  assert.throws(() => acceptProof(proof, second), VIOLATION);
  const { p } = /p=(?<p>.*)$/.exec(proof.toString())?.groups ?? {};
  assert.equal(acceptProof(client.final(second.serverFirst, { proof: p ?? '' }), second), undefined);
});

test('a nonce that is not the one given is refused', () => {
  const client = new ScramClient('pencil');
  const given = challenge(client);
  for (const nonce of [`${given.nonce}x`, given.nonce.slice(0, -1), 'rOprNGfwEbeRWgbNEkqO', 'x']) {
    assert.throws(() => acceptProof(client.final(given.serverFirst, { nonce }), given), VIOLATION, nonce);
  }
});

test('a final message that repeats another header is refused', () => {
  for (const [header, binding] of [
    ['n,,', 'eSws'],
    ['y,,', 'biws'],
    ['n,,', Buffer.from(`${BOUND}${BINDING.toString('latin1')}`, 'latin1').toString('base64')],
    ['n,,', 'biwsAA=='],
  ] as const) {
    const client = new ScramClient('pencil', header);
    const given = challenge(client);
    assert.throws(() => acceptProof(client.final(given.serverFirst, { binding }), given), REFUSAL, binding);
  }
});

test('SCRAM-SHA-256-PLUS is offered first, and only with channel binding data', () => {
  assert.deepEqual(scramMechanisms(undefined), [MECHANISM]);
  assert.deepEqual(scramMechanisms(BINDING), [PLUS, MECHANISM]);
});

test('a client that is bound to this TLS connection gets in, one that is bound to another does not', () => {
  const client = new ScramClient('pencil', BOUND);
  const given = challenge(client, PLUS, BINDING);
  const proof = client.final(given.serverFirst, { boundTo: BINDING });
  assert.equal(acceptProof(proof, given), client.expectedServerFinal);
  for (const boundTo of [Buffer.alloc(32), BINDING.subarray(1), Buffer.alloc(0)]) {
    assert.throws(() => acceptProof(client.final(given.serverFirst, { boundTo }), given), REFUSAL);
  }
});

test('a client without channel binding gets in over TLS too', () => {
  const client = new ScramClient('pencil');
  const given = challenge(client, MECHANISM, BINDING);
  assert.equal(acceptProof(client.final(given.serverFirst), given), client.expectedServerFinal);
});

test('a client that was not shown SCRAM-SHA-256-PLUS although it was offered is refused: a downgrade', () => {
  const client = new ScramClient('pencil', 'y,,');
  assert.throws(() => challenge(client, MECHANISM, BINDING), {
    ...REFUSAL,
    message: 'SCRAM channel binding negotiation error',
  });
});

test('what the client chose and what it says of channel binding must fit', () => {
  const cases = [
    [MECHANISM, BOUND, undefined],
    [MECHANISM, BOUND, BINDING],
    [PLUS, 'n,,', BINDING],
    [PLUS, 'y,,', BINDING],
    [PLUS, 'p=tls-unique,,', BINDING],
    [PLUS, 'p=tls-exporter,,', BINDING],
    [PLUS, BOUND, undefined],
    ['SCRAM-SHA-1', 'n,,', undefined],
    ['', 'n,,', BINDING],
  ] as const;
  for (const [mechanism, header, data] of cases) {
    const client = new ScramClient('pencil', header);
    assert.throws(() => challenge(client, mechanism, data), VIOLATION, `${mechanism} ${header}`);
  }
});

test('nothing but the right proof gets in, whatever is sent', () => {
  const client = new ScramClient('pencil');
  const given = challenge(client);
  const right = client.final(given.serverFirst);
  const changed = fc.tuple(fc.nat(right.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
    const bytes = Buffer.from(right);
    bytes[at] = (bytes[at] as number) ^ mask;
    return bytes;
  });
  const proofs = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((proof) => client.final(given.serverFirst, { proof: Buffer.from(proof).toString('base64') }));
  fc.assert(
    fc.property(fc.oneof({ arbitrary: changed, weight: 20 }, anyBytes(), proofs), (message) => {
      try {
        assert.equal(acceptProof(message, given), undefined);
      } catch (error) {
        assert.ok(error instanceof ProxyError, String(error));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(acceptProof(right, given));
});
