import { serialize } from 'pg-protocol';
import { ProxyError, SqlState } from '../errors.ts';

/**
 * Encodes a simple Query: Byte1 'Q', Int32 length, the text in UTF-8, `\0`.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-QUERY
 */
export function encodeQuery(text: string): Buffer {
  return serialize.query(text);
}

/** Encodes a Terminate: Byte1 'X', Int32 4. */
export function encodeTerminate(): Buffer {
  return serialize.end();
}

/**
 * Decodes the body of a DataRow ('D'): Int16 number of columns, then each as Int32 length (-1: null) and its
 * bytes, taken for UTF-8 text.
 *
 * @throws {@link ProxyError} 08P01 if truncated or followed by stray bytes.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-DATAROW
 */
export function decodeDataRow(body: Buffer): (string | null)[] {
  if (body.length < 2) throw malformed();
  const columns: (string | null)[] = [];
  const count = body.readUInt16BE(0);
  let offset = 2;
  while (columns.length < count) {
    if (offset + 4 > body.length) throw malformed();
    const length = body.readInt32BE(offset);
    offset += 4;
    if (length < -1 || offset + length > body.length) throw malformed();
    columns.push(length === -1 ? null : body.toString('utf8', offset, offset + length));
    offset += Math.max(0, length);
  }
  if (offset !== body.length) throw malformed();
  return columns;
}

function malformed(): ProxyError {
  return new ProxyError(SqlState.protocolViolation, 'the server sent a row that makes no sense');
}
