import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ProxyError } from '../../src/errors.ts';

/** A typed message, laid out by hand: Byte1 type, Int32 length (which counts itself), body. */
export function message(type: string, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(bytes.length + 4), bytes]);
}

/** An untyped packet, laid out by hand: Int32 length, Int32 code, the rest. */
export function packet(code: number, rest: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(rest);
  return Buffer.concat([int32(bytes.length + 8), int32(code), bytes]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const SSL_REQUEST = packet(80_877_103);
export const GSSENC_REQUEST = packet(80_877_104);
export const PROTOCOL_3_0 = 0x3_0000;

/** The same bytes in pieces of at most `size`. */
export function piecesOf(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

export function anyBytes(maxLength = 200): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
}

/** Bytes that can stand in a zero-terminated string, UTF-8 or not. */
export function bytesWithoutZero(options: { minLength?: number; maxLength: number }): fc.Arbitrary<Buffer> {
  return fc.array(fc.integer({ min: 1, max: 255 }), options).map((bytes) => Buffer.from(bytes));
}

/** Runs a decoder on bytes that may be anything: a ProxyError 08P01 is the only thing it may throw. */
export function decodesOrRefuses(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof ProxyError, `threw ${String(error)}`);
    assert.equal(error.sqlState, '08P01');
  }
}
