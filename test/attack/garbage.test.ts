import { test } from 'node:test';
import fc from 'fast-check';
import { int32, message, packet, STARTUP } from '../support/messages.ts';
import { onEachEntrance } from '../support/on-each-entrance.ts';

const bytes = fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array));

/** Packets with a true length around nonsense, which get further than noise does. */
const framed = fc
  .tuple(fc.constantFrom(0x00_03_00_00, 0x00_03_00_02, 0x00_03_ff_ff, 80_877_102, 80_877_103, 1), bytes)
  .map(([code, body]) => packet(int32(code), body));

/** A good packet with a few bytes changed. */
const mutated = fc
  .array(fc.tuple(fc.nat(STARTUP.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  .map((changes) => {
    const copy = Buffer.from(STARTUP);
    for (const [offset, value] of changes) copy[offset] = value;
    return copy;
  });

/** What a client may answer when it is asked for a proof: the mechanism, and words that are hardly SCRAM. */
const answer = fc
  .tuple(fc.constantFrom('SCRAM-SHA-256\0', 'SCRAM-SHA-256-PLUS\0', '\0', ''), fc.nat(700), bytes)
  .map(([mechanism, length, body]) => message('p', mechanism, int32(length), 'n,,n=,r=', body));

const INPUTS = {
  TCP: { runs: 300, input: fc.oneof(bytes, framed, mutated) },
  // What is read is read by the same code: these are for what carries it, and for what comes next.
  'Unix socket': { runs: 60, input: fc.oneof(bytes, framed, mutated) },
  // Not a good packet: a reset in one breath with a login over TLS is heard as a half-close, and lingers for 10 s.
  TLS: { runs: 60, input: fc.oneof(bytes, framed) },
  SCRAM: { runs: 20, input: fc.oneof(framed, mutated) },
  asked: { runs: 80, input: fc.oneof(bytes, answer) },
};

onEachEntrance((start, name) => {
  test('random bytes, in whatever pieces, harm nobody', async () => {
    await using attack = await start({ loginTimeoutMs: 1_000 });
    const { runs, input: inputs } = INPUTS[name];
    await fc.assert(
      fc.asyncProperty(
        inputs,
        fc.array(fc.nat(600), { maxLength: 3 }),
        fc.constantFrom('end', 'destroy', 'reset'),
        async (input, cuts, how) => {
          const client = await attack.connect();
          const edges = [0, ...cuts.map((cut) => cut % (input.length + 1)).toSorted((a, b) => a - b)];
          for (const [index, edge] of edges.entries()) {
            // oxlint-disable-next-line no-await-in-loop -- each piece in a segment of its own
            await client.send(input.subarray(edge, edges[index + 1])).flush();
          }
          if (how === 'reset') client.reset();
          else client.socket[how as 'end']();
          await client.end();
        },
      ),
      { numRuns: runs, endOnFailure: true },
    );
    await attack.assertUnharmed();
  });
});
