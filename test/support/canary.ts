import assert from 'node:assert/strict';

/** Long enough not to come up by chance, short enough to find a token that was cut, quoted or redacted in part. */
const SLICE_LENGTH = 12;

/**
 * Fails if a secret, or a slice of its payload or signature, is in a text: as it is, in base64 at any
 * alignment, or in hexadecimal.
 *
 * @param secret - a JWT, whose header is no secret, or anything else.
 */
export function assertKept(secret: string, text: string, what: string): void {
  const parts = secret.split('.');
  const secretParts = parts.length === 3 ? parts.slice(1) : [secret];
  const folded = text.toLowerCase();
  for (const part of secretParts) {
    assertNoSlice(part, SLICE_LENGTH, text, what);
    assertNoSlice(Buffer.from(part).toString('hex'), 2 * SLICE_LENGTH, folded, `${what}, in hexadecimal`);
    for (const skip of [0, 1, 2]) {
      const encoded = Buffer.from(part).subarray(skip).toString('base64').slice(0, -4);
      assertNoSlice(encoded, (SLICE_LENGTH / 3) * 4, text, `${what}, in base64`);
    }
  }
}

function assertNoSlice(secret: string, length: number, text: string, what: string): void {
  for (let offset = 0; offset + length <= secret.length; offset += 1) {
    const slice = secret.slice(offset, offset + length);
    const at = text.indexOf(slice);
    // The slice itself would put the secret into the tests' output.
    assert.equal(at, -1, `characters ${offset} to ${offset + length} of the secret are in ${what}`);
  }
}
