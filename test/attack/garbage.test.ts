import { test } from 'node:test';
import fc from 'fast-check';
import { startAttack } from '../support/after-attack.ts';
import { int32, packet, STARTUP } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';

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

test('random bytes, in whatever pieces, harm nobody', async () => {
  await using attack = await startAttack({ loginTimeoutMs: 1_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(bytes, framed, mutated),
      fc.array(fc.nat(600), { maxLength: 3 }),
      fc.constantFrom('end', 'destroy', 'resetAndDestroy'),
      async (input, cuts, how) => {
        const client = new RawClient(attack.proxy.port);
        const edges = [0, ...cuts.map((cut) => cut % (input.length + 1)).toSorted((a, b) => a - b)];
        for (const [index, edge] of edges.entries()) {
          // oxlint-disable-next-line no-await-in-loop -- each piece in a segment of its own
          await new Promise((resolve) => {
            client.socket.write(input.subarray(edge, edges[index + 1]), resolve);
          });
        }
        client.socket[how as 'end']();
        await client.end();
      },
    ),
    { numRuns: 300, endOnFailure: true },
  );
  await attack.assertUnharmed();
});
