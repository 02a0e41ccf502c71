/** A typed message: Byte1 type, Int32 length of what follows and itself, body. */
export function encodeMessage(type: string, body: string | Buffer = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const message = Buffer.allocUnsafe(5 + bytes.length);
  message.write(type, 0, 'latin1');
  message.writeUInt32BE(4 + bytes.length, 1);
  bytes.copy(message, 5);
  return message;
}

/** Rows of text for COPY, one CopyData message each, in one chunk of about 256 KB. */
export function encodeCopyChunk(rowLength: number): { readonly chunk: Buffer; readonly rows: number } {
  const row = encodeMessage('d', `${'x'.repeat(rowLength - 1)}\n`);
  const rows = Math.ceil(CHUNK_LENGTH / row.length);
  return { chunk: Buffer.concat(Array.from({ length: rows }, () => row)), rows };
}

const CHUNK_LENGTH = 256 * 1024;
