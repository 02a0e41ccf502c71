import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, serialize } from 'pg-protocol';
import { decodeAuthenticationRequest } from '../../../src/protocol/authentication.ts';
import {
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeCleartextPasswordRequest,
  encodeSaslContinue,
  encodeSaslFinal,
} from '../../../src/protocol/sasl.ts';
import { anyBytes, decodesOrRefuses, int32, message } from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };
const MECHANISM = 'SCRAM-SHA-256\0';

function initial(...parts: (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

test('a client\u2019s choice and first words are read as pg-protocol writes them', () => {
  const whole = serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=*,r=abc');
  assert.deepEqual(decodeSaslInitialResponse(whole.subarray(5)), {
    mechanism: 'SCRAM-SHA-256',
    data: Buffer.from('n,,n=*,r=abc'),
  });
  const response = serialize.sendSCRAMClientFinalMessage('c=biws,r=abc,p=x');
  assert.equal(decodeSaslResponse(response.subarray(5)).toString(), 'c=biws,r=abc,p=x');
});

test('no first words are something else than empty ones', () => {
  assert.equal(decodeSaslInitialResponse(initial(MECHANISM, int32(0xff_ff_ff_ff))).data, undefined);
  assert.deepEqual(decodeSaslInitialResponse(initial(MECHANISM, int32(0))).data, Buffer.alloc(0));
});

test('a choice that is cut off, or whose length is not that of its data, is refused with 08P01', () => {
  const bodies = [
    ['', 'SCRAM-SHA-256', MECHANISM, initial(MECHANISM, '\0\0\0')],
    [
      initial(MECHANISM, int32(0), 'x'),
      initial(MECHANISM, int32(2), 'x'),
      initial(MECHANISM, int32(1), 'xy'),
    ],
    [initial(MECHANISM, int32(0xff_ff_ff_ff), 'x'), initial(MECHANISM, int32(0xff_ff_ff_fe))],
    [initial(MECHANISM, int32(0x7f_ff_ff_ff), 'x'), initial(MECHANISM, int32(0x80_00_00_00), 'x')],
  ].flat();
  for (const body of bodies) {
    assert.throws(() => decodeSaslInitialResponse(Buffer.from(body as string)), VIOLATION, String(body));
  }
});

test('a SASL message of 1,024 bytes is read, one byte more is refused', () => {
  const ofLength = (length: number): Buffer => {
    const data = Buffer.alloc(length - MECHANISM.length - 4, 'x');
    return initial(MECHANISM, int32(data.length), data);
  };
  assert.equal(decodeSaslInitialResponse(ofLength(1_024)).data?.length, 1_006);
  assert.throws(() => decodeSaslInitialResponse(ofLength(1_025)), VIOLATION);
  assert.equal(decodeSaslResponse(Buffer.alloc(1_024)).length, 1_024);
  assert.throws(() => decodeSaslResponse(Buffer.alloc(1_025)), VIOLATION);
});

test('random choices are decoded or refused with 08P01, never anything else', () => {
  const bodies = fc.oneof(
    anyBytes(40),
    fc.tuple(anyBytes(20), fc.integer({ min: -2, max: 30 }), anyBytes(20)).map(([name, length, data]) => {
      return initial(name, '\0', int32(length >>> 0), data);
    }),
  );
  fc.assert(
    fc.property(bodies, (body) => decodesOrRefuses(() => decodeSaslInitialResponse(body))),
    { numRuns: 2_000 },
  );
});

test('what the server says is laid out as documented, and read so by pg-protocol', async () => {
  assert.deepEqual(encodeCleartextPasswordRequest(), message('R', int32(3)));
  assert.deepEqual(encodeSaslContinue('r=a,s=b,i=1'), message('R', initial(int32(11), 'r=a,s=b,i=1')));
  assert.deepEqual(encodeSaslContinue(''), message('R', int32(11)));
  assert.deepEqual(encodeSaslFinal('v=x'), message('R', initial(int32(12), 'v=x')));
  const names: unknown[] = [];
  const stream = Readable.from([
    Buffer.concat([encodeCleartextPasswordRequest(), encodeSaslContinue('r=a'), encodeSaslFinal('v=x')]),
  ]);
  await parse(stream, ({ name, data }: { name: string; data?: string }) => names.push([name, data]));
  assert.deepEqual(names, [
    ['authenticationCleartextPassword', undefined],
    ['authenticationSASLContinue', 'r=a'],
    ['authenticationSASLFinal', 'v=x'],
  ]);
  assert.equal(decodeAuthenticationRequest(encodeSaslContinue('r=a').subarray(5)).kind, 'saslContinue');
});
