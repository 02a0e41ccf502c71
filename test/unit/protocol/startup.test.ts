import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import {
  decodeStartupPacket,
  encodeCancelRequest,
  encodeStartupMessage,
  lastParameter,
  type StartupParameter,
} from '../../../src/protocol/startup.ts';
import {
  anyBytes,
  bytesWithoutZero,
  decodesOrRefuses,
  GSSENC_REQUEST,
  int32,
  PROTOCOL_3_0,
  packet,
  SSL_REQUEST,
} from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };

const names = fc.oneof(
  fc.constantFrom('user', 'database', 'options', '_pq_.grease', '_pq_.'),
  bytesWithoutZero({ minLength: 1, maxLength: 20 }).map((bytes) => bytes.toString('latin1')),
);
const parameterLists: fc.Arbitrary<StartupParameter[]> = fc.array(
  fc.record({ name: names, value: bytesWithoutZero({ maxLength: 40 }) }, { noNullPrototype: true }),
  { maxLength: 12 },
);
const versions = fc.integer({ min: 0, max: 0xff_ff }).map((minor) => PROTOCOL_3_0 + minor);

function bodyOf(whole: Buffer): Buffer {
  return whole.subarray(4);
}

function parameter(name: string, value: string): StartupParameter {
  return { name, value: Buffer.from(value) };
}

function encode(parameters: readonly StartupParameter[]): Buffer {
  return encodeStartupMessage({ protocolVersion: PROTOCOL_3_0, parameters });
}

test('any parameters in any 3.x version survive encoding and decoding, byte for byte and in order', () => {
  fc.assert(
    fc.property(versions, parameterLists, (protocolVersion, parameters) => {
      const whole = encodeStartupMessage({ protocolVersion, parameters });
      assert.equal(whole.readUInt32BE(0), whole.length);
      const expected = { kind: 'startup', protocolVersion, parameters };
      assert.deepEqual(decodeStartupPacket(bodyOf(whole)), expected);
    }),
  );
});

test('duplicates, protocol options and values that are not UTF-8 are kept as they are', () => {
  const parameters = [
    parameter('user', 'first'),
    { name: 'user', value: Buffer.from([0xff, 0xfe, 0x80]) },
    parameter('_pq_.command_tag', ''),
    { name: 'gr\u00fc\u00df', value: Buffer.from('\u00fc', 'latin1') },
  ];
  const whole = encodeStartupMessage({ protocolVersion: 0x3_270f, parameters });
  const text = 'user\0first\0user\0\xff\xfe\x80\0_pq_.command_tag\0\0gr\xfc\xdf\0\xfc\0\0';
  assert.deepEqual(whole, packet(0x3_270f, Buffer.from(text, 'latin1')));
  const expected = { kind: 'startup', protocolVersion: 0x3_270f, parameters };
  assert.deepEqual(decodeStartupPacket(bodyOf(whole)), expected);
});

test('random bytes are decoded or refused with 08P01, never anything else', () => {
  const codes = fc.constantFrom(PROTOCOL_3_0, 0x3_0002, 80_877_102, 80_877_103, 80_877_104, 0x2_0000);
  const bodies = fc.oneof(
    anyBytes(),
    fc.tuple(codes, anyBytes()).map(([code, rest]) => Buffer.concat([int32(code), rest])),
    fc.tuple(codes, fc.array(fc.constantFrom(0, 97), { maxLength: 30 })).map(([code, rest]) => {
      return Buffer.concat([int32(code), Buffer.from(rest)]);
    }),
  );
  fc.assert(
    fc.property(bodies, (body) => decodesOrRefuses(() => decodeStartupPacket(body))),
    {
      numRuns: 2_000,
    },
  );
});

test('a startup packet that is cut anywhere is refused with 08P01', () => {
  fc.assert(
    fc.property(parameterLists, (parameters) => {
      const body = bodyOf(encode(parameters));
      for (let length = 0; length < body.length; length += 1) {
        assert.throws(() => decodeStartupPacket(body.subarray(0, length)), VIOLATION, `cut to ${length}`);
      }
    }),
    { numRuns: 30 },
  );
});

test('bytes behind the terminator are refused with 08P01', () => {
  const body = bodyOf(encode([parameter('user', 'a')]));
  for (const stray of ['\0', 'x', 'x\0y\0\0']) {
    assert.throws(() => decodeStartupPacket(Buffer.concat([body, Buffer.from(stray)])), VIOLATION);
  }
});

test('a packet of 10,004 bytes is encoded, one of 10,005 refused with 08P01', () => {
  const overhead = encode([parameter('options', '')]).length;
  const longest = encode([parameter('options', 'x'.repeat(10_004 - overhead))]);
  assert.equal(longest.length, 10_004);
  assert.equal(longest.readUInt32BE(0), 10_004);
  assert.throws(() => encode([parameter('options', 'x'.repeat(10_005 - overhead))]), VIOLATION);
});

test('a parameter that would end its neighbour is refused with 08P01', () => {
  assert.throws(() => encode([parameter('a\0b', 'c')]), VIOLATION);
  assert.throws(() => encode([parameter('a', 'b\0user\0root')]), VIOLATION);
  assert.throws(() => encode([parameter('', 'b')]), VIOLATION);
});

test('CancelRequests with keys of 4 to 256 bytes come out as they went in', () => {
  const keys = fc.uint8Array({ minLength: 8, maxLength: 260 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(keys, (key) => {
      const whole = packet(80_877_102, key);
      const decoded = decodeStartupPacket(bodyOf(whole));
      assert.ok(decoded.kind === 'cancelRequest');
      assert.deepEqual(encodeCancelRequest(decoded.key), whole);
    }),
  );
  for (const keyLength of [4, 32, 256]) {
    const key = Buffer.alloc(4 + keyLength, 7);
    assert.deepEqual(decodeStartupPacket(bodyOf(packet(80_877_102, key))), { kind: 'cancelRequest', key });
  }
});

test('CancelRequests with keys of impossible length are refused with 08P01', () => {
  for (const keyLength of [-4, -1, 0, 3, 257, 9_000]) {
    const whole = packet(80_877_102, Buffer.alloc(4 + keyLength, 7));
    assert.throws(() => decodeStartupPacket(bodyOf(whole)), VIOLATION, `a key of ${keyLength}`);
  }
});

test('SSLRequest and GSSENCRequest are recognized, and nothing may follow them', () => {
  assert.deepEqual(decodeStartupPacket(bodyOf(SSL_REQUEST)), { kind: 'sslRequest' });
  assert.deepEqual(decodeStartupPacket(bodyOf(GSSENC_REQUEST)), { kind: 'gssEncRequest' });
  for (const request of [SSL_REQUEST, GSSENC_REQUEST]) {
    const longer = Buffer.concat([bodyOf(request), Buffer.of(0)]);
    assert.throws(() => decodeStartupPacket(longer), VIOLATION);
  }
});

test('a version other than 3.x is named, whatever its body looks like', () => {
  const strange = [0, 0x1_0000, 0x2_0000, 0x2_ffff, 0x4_0000, 80_877_101, 80_877_105, 0xffff_ffff];
  for (const protocolVersion of strange) {
    for (const rest of ['', '\0', 'no terminator']) {
      const body = Buffer.concat([int32(protocolVersion), Buffer.from(rest)]);
      assert.deepEqual(decodeStartupPacket(body), { kind: 'unsupported', protocolVersion });
    }
  }
});

test("pg-protocol's startup message, CancelRequest and SSLRequest are understood", () => {
  const text = fc.string({ unit: 'binary', maxLength: 30 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(text, text, (user, database) => {
      const decoded = decodeStartupPacket(bodyOf(serialize.startup({ user, database })));
      const parameters = [
        parameter('user', user),
        parameter('database', database),
        parameter('client_encoding', 'UTF8'),
      ];
      assert.deepEqual(decoded, { kind: 'startup', protocolVersion: PROTOCOL_3_0, parameters });
      assert.deepEqual(encode(parameters), serialize.startup({ user, database }));
    }),
  );
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (processId, secret) => {
      const whole = serialize.cancel(processId, secret);
      const decoded = decodeStartupPacket(bodyOf(whole));
      assert.ok(decoded.kind === 'cancelRequest');
      assert.equal(decoded.key.readInt32BE(0), processId);
      assert.equal(decoded.key.readInt32BE(4), secret);
      assert.deepEqual(encodeCancelRequest(decoded.key), whole);
    }),
  );
  assert.deepEqual(decodeStartupPacket(bodyOf(serialize.requestSsl())), { kind: 'sslRequest' });
});

test('the last of several values counts, and an empty one counts as none', () => {
  const parameters = [parameter('user', 'a'), parameter('database', 'd'), parameter('user', 'b')];
  assert.deepEqual(lastParameter(parameters, 'user'), Buffer.from('b'));
  assert.equal(lastParameter(parameters, 'User'), undefined);
  assert.equal(lastParameter([...parameters, parameter('user', '')], 'user'), undefined);
});
