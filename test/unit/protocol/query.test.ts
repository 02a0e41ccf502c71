import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'pg-protocol';
import { decodeDataRow, encodeQuery, encodeTerminate } from '../../../src/protocol/query.ts';
import { int32, message } from '../../support/messages.ts';

/** The body of a DataRow. */
function row(columns: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(columns.length);
  const parts = columns.map((text) => {
    const bytes = Buffer.from(text ?? '');
    return text === null ? int32(0xff_ff_ff_ff) : Buffer.concat([int32(bytes.length), bytes]);
  });
  return Buffer.concat([count, ...parts]);
}

test('a row is decoded as pg-protocol does', async () => {
  const columns = fc.array(fc.option(fc.string({ unit: 'grapheme' })), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(columns, async (wanted) => {
      const body = row(wanted);
      assert.deepEqual(decodeDataRow(body), wanted);
      const heard: unknown[] = [];
      await parse(Readable.from([message('D', body)]), (one) =>
        heard.push((one as unknown as { fields: unknown }).fields),
      );
      assert.deepEqual(heard, [wanted]);
    }),
  );
});

test('a row that is cut off, or has something behind it, is refused', () => {
  const body = row(['one', null, 'three']);
  for (let length = 0; length < body.length; length += 1)
    assert.throws(() => decodeDataRow(body.subarray(0, length)), /makes no sense/);
  assert.throws(() => decodeDataRow(Buffer.concat([body, Buffer.of(0)])), /makes no sense/);
  assert.throws(
    () => decodeDataRow(Buffer.concat([Buffer.from([0, 1]), int32(0xff_ff_ff_fe)])),
    /makes no sense/,
  );
});

test('queries and the goodbye are encoded as PostgreSQL reads them', () => {
  assert.deepEqual(encodeQuery('select 1'), message('Q', 'select 1\0'));
  assert.deepEqual(encodeTerminate(), message('X'));
});
