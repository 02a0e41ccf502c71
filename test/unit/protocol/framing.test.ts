import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageFramer, watchList } from '../../../src/protocol/framing.ts';
import { anyBytes, int32, message, piecesOf } from '../bytes.ts';

interface Seen {
  readonly type: string;
  readonly body: Buffer;
}

const WATCHED: Readonly<Record<string, number>> = { Z: 1, E: 5, G: 0, K: 260, '\xff': 3 };

/** A framer and what it has reported; bodies are valid during the call only, hence the copy. */
function watch(wanted: Readonly<Record<string, number>> = WATCHED): { framer: MessageFramer; seen: Seen[] } {
  const seen: Seen[] = [];
  const framer = new MessageFramer(watchList(wanted), (type, body) => {
    seen.push({ type: String.fromCharCode(type), body: Buffer.from(body) });
  });
  return { framer, seen };
}

/** What a framer has to report of these messages. */
function expected(messages: readonly Seen[]): Seen[] {
  return messages.flatMap(({ type, body }) => {
    const wanted = WATCHED[type];
    return wanted === undefined ? [] : [{ type, body: body.subarray(0, wanted) }];
  });
}

/** Pushes the messages in these pieces; holds boundaries and reports against what each piece completes. */
function checkPieces(messages: readonly Seen[], pieces: readonly Buffer[]): void {
  const ends = [0];
  for (const { body } of messages) ends.push((ends.at(-1) as number) + 5 + body.length);
  const { framer, seen } = watch();
  let pushed = 0;
  for (const piece of pieces) {
    // A copy, gone after the call: what the framer keeps of it must be its own.
    const chunk = Buffer.from(piece);
    framer.push(chunk);
    chunk.fill(0xee);
    pushed += piece.length;
    const complete = ends.filter((end) => end > 0 && end <= pushed).length;
    assert.equal(framer.atBoundary, ends.includes(pushed), `at byte ${pushed}`);
    assert.deepEqual(seen, expected(messages.slice(0, complete)), `at byte ${pushed}`);
    assert.equal(framer.lost, false);
  }
  assert.equal(pushed, ends.at(-1));
}

function encode(messages: readonly Seen[]): Buffer {
  return Buffer.concat(messages.map(({ type, body }) => message(type, body)));
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const points = cuts.map((point) => point % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...points].map((start, index) => bytes.subarray(start, points[index] ?? bytes.length));
}

const bodies = fc.oneof(
  anyBytes(8),
  anyBytes(400),
  fc.constant(Buffer.alloc(0)),
  fc.integer({ min: 0, max: 255 }).map((fill) => Buffer.alloc(70_000, fill)),
);
const types = fc.constantFrom('Z', 'E', 'G', 'K', 'D', 'd', 'X', '\0', '\xff');
const conversations: fc.Arbitrary<Seen[]> = fc.array(fc.record({ type: types, body: bodies }), {
  maxLength: 8,
});

test('watched messages are reported once, in order and with the wanted part of their body, however they are cut', () => {
  const cuts = fc.array(fc.nat(200_000), { maxLength: 12 });
  fc.assert(
    fc.property(conversations, cuts, (messages, points) => {
      checkPieces(messages, cut(encode(messages), points));
    }),
    { numRuns: 500 },
  );
});

test('chunks of any one size give the same reports', () => {
  const small = fc.array(fc.record({ type: types, body: anyBytes(12) }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(small, fc.integer({ min: 1, max: 9 }), (messages, size) => {
      checkPieces(messages, piecesOf(encode(messages), size));
    }),
    { numRuns: 500 },
  );
});

test('a short conversation can be cut at any two places', () => {
  const messages: Seen[] = [
    { type: 'E', body: Buffer.from('SERROR') },
    { type: 'D', body: Buffer.from('row') },
    { type: 'G', body: Buffer.from('cc') },
    { type: 'Z', body: Buffer.from('I') },
    { type: 'G', body: Buffer.alloc(0) },
  ];
  const bytes = encode(messages);
  for (let first = 0; first <= bytes.length; first += 1) {
    for (let second = first; second <= bytes.length; second += 1) {
      checkPieces(messages, cut(bytes, [first, second]));
    }
  }
});

test('random bytes in random chunks throw nothing, and once lost is lost', () => {
  fc.assert(
    fc.property(fc.array(anyBytes(60), { maxLength: 10 }), (chunks) => {
      const { framer, seen } = watch();
      for (const chunk of chunks) {
        const wasLost = framer.lost;
        const seenBefore = seen.length;
        framer.push(chunk);
        if (wasLost) assert.ok(framer.lost && seen.length === seenBefore);
        if (framer.lost) assert.equal(framer.atBoundary, false);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a length that cannot be is the end of following, wherever its header is cut', () => {
  const before = message('Z', 'I');
  const after = message('Z', 'T');
  for (const length of [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff]) {
    for (const type of ['Z', 'D']) {
      const bytes = Buffer.concat([before, Buffer.from(type), int32(length), after]);
      for (let point = 0; point <= bytes.length; point += 1) {
        const { framer, seen } = watch();
        for (const piece of cut(bytes, [point])) framer.push(piece);
        assert.equal(framer.lost, true, `length ${length} cut at ${point}`);
        assert.equal(framer.atBoundary, false);
        assert.deepEqual(seen, [{ type: 'Z', body: Buffer.from('I') }]);
      }
    }
  }
});

test('the shortest and the longest possible message are followed', () => {
  const { framer, seen } = watch();
  framer.push(message('G'));
  assert.deepEqual(seen, [{ type: 'G', body: Buffer.alloc(0) }]);
  framer.push(Buffer.concat([Buffer.from('Z'), int32(0x7fff_ffff), Buffer.alloc(1_000)]));
  assert.equal(framer.lost, false);
  assert.equal(framer.atBoundary, false);
  assert.equal(seen.length, 1);
});

test('nothing pushed is a boundary, and an empty chunk changes nothing', () => {
  const { framer, seen } = watch();
  assert.equal(framer.atBoundary, true);
  framer.push(Buffer.alloc(0));
  assert.equal(framer.atBoundary, true);
  framer.push(message('Z', 'I').subarray(0, 3));
  framer.push(Buffer.alloc(0));
  assert.equal(framer.atBoundary, false);
  framer.push(message('Z', 'I').subarray(3, 5));
  framer.push(Buffer.alloc(0));
  assert.deepEqual(seen, []);
  framer.push(message('Z', 'I').subarray(5));
  assert.deepEqual(seen, [{ type: 'Z', body: Buffer.from('I') }]);
});

test('types that are not watched are not reported', () => {
  const { framer, seen } = watch({});
  framer.push(Buffer.concat([message('Z', 'I'), message('E', 'x')]));
  assert.deepEqual(seen, []);
  assert.equal(framer.atBoundary, true);
});
