import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyError } from '../../../src/errors.ts';
import {
  decodeBase64,
  decodeScramClientFinal,
  decodeScramClientFirst,
  encodeScramServerFinal,
  encodeScramServerFirst,
} from '../../../src/protocol/scram.ts';
import { anyBytes } from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01', message: /^malformed SCRAM message: / };
const UNSUPPORTED = { name: 'ProxyError', sqlState: '0A000' };

const PROOF = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';

function first(text: string): unknown {
  return decodeScramClientFirst(Buffer.from(text, 'latin1'));
}

function final(text: string): unknown {
  return decodeScramClientFinal(Buffer.from(text, 'latin1'));
}

test('a first message gives channel binding, header, nonce, and what is signed', () => {
  const nonce = 'rOprNGfwEbeRWgbNEkqO';
  const bare = `n=user,r=${nonce}`;
  assert.deepEqual(first(`n,,${bare}`), { binding: { kind: 'unsupported' }, header: 'n,,', bare, nonce });
  assert.deepEqual(first(`y,,${bare}`), { binding: { kind: 'notOffered' }, header: 'y,,', bare, nonce });
  const binding = { kind: 'used', type: 'tls-server-end-point' };
  const header = 'p=tls-server-end-point,,';
  assert.deepEqual(first(header + bare), { binding, header, bare, nonce });
});

test('the user may be missing, made up or not ASCII, and extensions are passed over, but all of it is signed', () => {
  for (const bare of ['n=,r=x', 'n=*,r=x', 'n=\xfc=2C,r=x', 'n=,r=x,a=1,Z=']) {
    assert.deepEqual(first(`n,,${bare}`), {
      binding: { kind: 'unsupported' },
      header: 'n,,',
      bare,
      nonce: 'x',
    });
  }
});

test('an authorization identity is refused as not supported', () => {
  for (const text of ['n,a=other,n=,r=x', 'n,a=,n=,r=x', 'y,a=postgres,n=,r=x']) {
    assert.throws(() => first(text), UNSUPPORTED, text);
  }
});

test('a mandatory extension is refused as not supported', () => {
  assert.throws(() => first('n,,m=x,n=,r=x'), UNSUPPORTED);
});

test('a first message that lacks something, or has it elsewhere, is refused', () => {
  const texts = [
    [
      '',
      'n',
      'n,',
      'n,,',
      'x,,n=,r=x',
      'N,,n=,r=x',
      'p,,n=,r=x',
      'p=,,n=,r=x',
      'p=a b,,n=,r=x',
      'n,b=c,n=,r=x',
    ],
    [
      'n,,r=x',
      'n,,n=',
      'n,,n=,r=',
      'n,,r=x,n=',
      'n,,n=u,x=y,r=x',
      'n,,n=,r=x,',
      'n,,n=,r=x,1=2',
      'n,,n=,r=x,a',
    ],
    [
      'n,,n=,r=x y',
      'n,,n=,r=\x7f',
      'n,,n=,r=\xfc',
      'n,,n=,r=x\0',
      'n,,n=\0,r=x',
      'n,,n=,r=x\n',
      '\nn,,n=,r=x',
    ],
  ].flat();
  for (const text of texts) assert.throws(() => first(text), VIOLATION, JSON.stringify(text));
});

test('a final message gives channel binding, nonce, proof, and what is signed', () => {
  const withoutProof = 'c=biws,r=abc%hv)$k0';
  const proof = Buffer.from(PROOF, 'base64');
  const expected = { binding: 'biws', nonce: 'abc%hv)$k0', proof, withoutProof };
  assert.deepEqual(final(`${withoutProof},p=${PROOF}`), expected);
  const extended = `${withoutProof},x=y,z=`;
  assert.deepEqual(final(`${extended},p=${PROOF}`), { ...expected, withoutProof: extended });
});

test('a final message that lacks something, or has something behind its proof, is refused', () => {
  const good = `c=biws,r=x,p=${PROOF}`;
  const texts = [
    [
      '',
      'c=biws',
      'c=biws,r=x',
      `c=biws,p=${PROOF}`,
      `r=x,p=${PROOF}`,
      `r=x,c=biws,p=${PROOF}`,
      `c=,r=x,p=${PROOF}`,
    ],
    [`${good},`, `${good},x=y`, `${good}\0`, `${good}\n`, ` ${good}`, `c=biws,r=x,p=${PROOF},p=${PROOF}`],
    [
      `c=biws,r=,p=${PROOF}`,
      `c=biws,r=x y,p=${PROOF}`,
      `c=bi\0ws,r=x,p=${PROOF}`,
      `c=biws,r=x,p`,
      `c=biws,r=x,p=`,
    ],
  ].flat();
  for (const text of texts) assert.throws(() => final(text), VIOLATION, JSON.stringify(text));
});

test('a proof that is cut off, too long, or not how base64 is written is refused', () => {
  const proofs = [
    [PROOF.slice(0, -1), PROOF.slice(0, -2), PROOF.slice(0, -4), PROOF.slice(4), `AAAA${PROOF}`, `${PROOF}=`],
    [
      PROOF.replace('Q=', 'R='),
      PROOF.replace('+', '-'),
      `${PROOF.slice(0, 20)}=${PROOF.slice(20)}`,
      '='.repeat(44),
    ],
    [`${PROOF.slice(0, 22)}\n${PROOF.slice(22)}`, `${'A'.repeat(42)}==`],
  ].flat();
  for (const proof of proofs) assert.throws(() => final(`c=biws,r=x,p=${proof}`), VIOLATION, proof);
});

test('base64 is taken only as it would be written', () => {
  fc.assert(
    fc.property(anyBytes(40), (bytes) => {
      assert.deepEqual(decodeBase64(bytes.toString('base64')), bytes);
    }),
  );
  for (const text of ['A', 'AA', 'AAA', 'AB==', 'AAB=', 'AA==A', 'A A=', '_-8=', '\u00c1A==']) {
    assert.equal(decodeBase64(text), undefined, text);
  }
});

test('the server\u2019s messages are as in RFC 7677', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  assert.equal(
    encodeScramServerFirst({ nonce: 'rO%hv', salt, iterations: 4_096 }),
    'r=rO%hv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  );
  const signature = Buffer.from('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=', 'base64');
  assert.equal(encodeScramServerFinal(signature), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
});

test('random messages, and good ones with something changed, are decoded or refused, never anything else', () => {
  const bases = ['n,,n=user,r=abc', 'p=tls-server-end-point,,n=,r=abc,x=y', `c=biws,r=abc,x=y,p=${PROOF}`];
  const changed = fc
    .tuple(fc.constantFrom(...bases), fc.nat(80), fc.nat(3), anyBytes(3))
    .map(([base, at, removed, put]) => {
      const bytes = Buffer.from(base);
      return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + removed)]);
    });
  fc.assert(
    fc.property(fc.oneof(anyBytes(), changed), (message) => {
      for (const decode of [decodeScramClientFirst, decodeScramClientFinal]) {
        try {
          decode(message);
        } catch (error) {
          assert.ok(error instanceof ProxyError, String(error));
          assert.match(error.sqlState, /^(?:08P01|0A000)$/);
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a message as long as may come, made to be slow to read, is read in no time', () => {
  const start = performance.now();
  for (const text of [
    `n,,n=,r=x${',a='.repeat(340)}\0`,
    `c=biws,r=x${',a='.repeat(340)}\0`,
    'n,,n='.repeat(200),
  ]) {
    assert.throws(() => first(text), VIOLATION);
    assert.throws(() => final(text), VIOLATION);
  }
  assert.ok(performance.now() - start < 250);
});
