import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { DatabaseError, parse } from 'pg-protocol';
import { ProxyError } from '../../../src/errors.ts';
import {
  decodeErrorFields,
  encodeErrorResponse,
  encodeFatal,
  encodeFatalV2,
  encodeNotice,
} from '../../../src/protocol/error-response.ts';
import { anyBytes, decodesOrRefuses, message } from '../bytes.ts';

const VIOLATION = { name: 'ProxyError', sqlState: '08P01' };

/** Any text at all, zero bytes included. */
const texts = fc.string({ unit: 'binary', maxLength: 60 });
const cleanTexts = texts.filter((text) => !text.includes('\0'));
const maybeTexts = fc.option(cleanTexts, { nil: undefined });

/** What node-postgres understands: the independent oracle. */
async function parseAsClient(bytes: Buffer): Promise<unknown[]> {
  const stream = new PassThrough();
  const messages: unknown[] = [];
  const parsed = parse(stream, (one) => messages.push(one));
  stream.end(bytes);
  await parsed;
  return messages;
}

async function parseOneError(bytes: Buffer): Promise<DatabaseError> {
  const messages = await parseAsClient(bytes);
  assert.equal(messages.length, 1);
  const [error] = messages;
  assert.ok(error instanceof DatabaseError);
  return error;
}

test('the fields of an ErrorResponse survive encoding and decoding', () => {
  const fields = fc.record({
    severity: cleanTexts,
    sqlState: cleanTexts,
    message: cleanTexts,
    detail: maybeTexts,
    hint: maybeTexts,
  });
  fc.assert(
    fc.property(fields, (expected) => {
      const whole = encodeErrorResponse(expected);
      assert.equal(whole.toString('latin1', 0, 1), 'E');
      assert.equal(whole.readUInt32BE(1), whole.length - 1);
      assert.deepEqual(decodeErrorFields(whole.subarray(5)), { ...expected });
    }),
  );
});

test('an ErrorResponse has the layout of the documentation', () => {
  const whole = encodeErrorResponse({ severity: 'FATAL', sqlState: '28000', message: 'no', hint: 'try' });
  assert.deepEqual(whole, message('E', 'SFATAL\0VFATAL\0C28000\0Mno\0Htry\0\0'));
});

test('pg-protocol reads our FATAL errors to the same fields', async () => {
  await fc.assert(
    fc.asyncProperty(cleanTexts, maybeTexts, async (text, hint) => {
      const error = new ProxyError('57P03', text, hint === undefined ? {} : { hint });
      const { severity, code, message: read, hint: readHint } = await parseOneError(encodeFatal(error));
      assert.deepEqual(
        { severity, code, read, readHint },
        { severity: 'FATAL', code: '57P03', read: text, readHint: hint },
      );
    }),
  );
});

test('zero bytes in a message or hint cannot break the framing', async () => {
  const evil = fc.array(fc.oneof(texts, fc.constantFrom('\0', '\0\0', '\0Mother\0')), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(evil, evil, async (text, hint) => {
      const error = new ProxyError('08P01', text.join(''), { hint: hint.join('') });
      const read = await parseOneError(encodeFatal(error));
      assert.equal(read.message, text.join('').replaceAll('\0', ' '));
      assert.equal(read.hint, hint.join('').replaceAll('\0', ' '));
    }),
  );
});

test('the cause of an error never reaches the client', () => {
  const error = new ProxyError('XX000', 'internal error', { cause: new Error('canary') });
  assert.ok(!encodeFatal(error).includes('canary'));
});

test('a client of protocol 2 gets one line of text, ended by a zero byte', () => {
  const error = new ProxyError('0A000', 'unsupported\0protocol', { hint: 'not shown' });
  assert.equal(encodeFatalV2(error).toString('latin1'), 'EFATAL:  unsupported protocol\n\0');
});

test('fields are read in any order, unknown ones are skipped, missing ones have defaults', () => {
  const body = Buffer.from('Hhint\0Ffile.c\0Mtext\0L12\0C42704\0VERROR\0SFEHLER\0Ddetail\0\0');
  assert.deepEqual(decodeErrorFields(body), {
    severity: 'ERROR',
    sqlState: '42704',
    message: 'text',
    detail: 'detail',
    hint: 'hint',
  });
  assert.equal(decodeErrorFields(Buffer.from('SFATAL\0\0')).severity, 'FATAL');
  assert.deepEqual(decodeErrorFields(Buffer.of(0)), {
    severity: 'ERROR',
    sqlState: 'XX000',
    message: '',
    detail: undefined,
    hint: undefined,
  });
});

test('an error message that is cut anywhere or goes on behind its end is refused with 08P01', () => {
  const body = Buffer.from('SFATAL\0C28000\0Mno such role\0\0');
  for (let length = 0; length < body.length; length += 1) {
    assert.throws(() => decodeErrorFields(body.subarray(0, length)), VIOLATION, `cut to ${length}`);
  }
  assert.throws(() => decodeErrorFields(Buffer.concat([body, Buffer.of(0)])), VIOLATION);
  assert.throws(() => decodeErrorFields(Buffer.concat([body, Buffer.from('Mx\0\0')])), VIOLATION);
});

test('random error messages are decoded or refused with 08P01, never anything else', () => {
  const few = fc.array(fc.constantFrom(0, 77, 83), { maxLength: 12 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(anyBytes(), few), (body) => decodesOrRefuses(() => decodeErrorFields(body))),
    { numRuns: 2_000 },
  );
});

test('a NOTICE is one for node-postgres, with its message and HINT', async () => {
  const [notice, ...others] = await parseAsClient(encodeNotice('waited', 'wait less'));
  assert.deepEqual(others, []);
  const { name, severity, code, message: text, hint } = notice as Record<string, unknown>;
  assert.deepEqual(
    { name, severity, code, text, hint },
    { name: 'notice', severity: 'NOTICE', code: '00000', text: 'waited', hint: 'wait less' },
  );
});
