import { ProxyError, SqlState } from '../errors.ts';

/** Field codes of an ErrorResponse that we read or write, by their names in the documentation. */
const FIELD_CODES = {
  severity: 'S',
  severityV: 'V',
  sqlState: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
} as const;

/** An ErrorResponse or NoticeResponse, as far as it concerns us. Text is UTF-8. */
export interface ErrorFields {
  readonly severity: string;
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

/** SQLSTATE of what is no error: successful_completion. */
const NO_ERROR = '00000';

/**
 * Encodes an ErrorResponse: Byte1 'E', Int32 length, then fields of Byte1 code and `value\0`, then `\0`.
 *
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function encodeErrorResponse(fields: ErrorFields): Buffer {
  return encodeReport('E', fields);
}

/**
 * Encodes a NoticeResponse: Byte1 'N', the rest as in an ErrorResponse.
 *
 * Clients take it at any time after AuthenticationOk, and most of them at no time before.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
 */
export function encodeNotice(message: string, hint?: string): Buffer {
  return encodeReport('N', { severity: 'NOTICE', sqlState: NO_ERROR, message, hint });
}

function encodeReport(type: 'E' | 'N', fields: ErrorFields): Buffer {
  const { severity, sqlState, message, detail, hint } = fields;
  const pairs = Object.entries({ severity, severityV: severity, sqlState, message, detail, hint });
  const text = pairs
    .filter((pair): pair is [keyof typeof FIELD_CODES, string] => pair[1] !== undefined)
    .map(([name, value]) => `${FIELD_CODES[name]}${value.replaceAll('\0', ' ')}\0`);
  const body = Buffer.from(`${text.join('')}\0`);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/**
 * The same ErrorResponse with a HINT behind its other fields, which stay as they are.
 *
 * @param message - a whole message that {@link decodeErrorFields} can read, type and length included.
 */
export function withHint(message: Buffer, hint: string): Buffer {
  const field = Buffer.from(`${FIELD_CODES.hint}${hint.replaceAll('\0', ' ')}\0`);
  const longer = Buffer.concat([message.subarray(0, -1), field, Buffer.of(0)]);
  longer.writeUInt32BE(longer.length - 1, 1);
  return longer;
}

/** A {@link ProxyError} as the client sees it: FATAL, because the session ends with it. */
export function encodeFatal(error: ProxyError): Buffer {
  return encodeErrorResponse({
    severity: 'FATAL',
    sqlState: error.sqlState,
    message: error.message,
    hint: error.hint,
  });
}

/**
 * Encodes an error for a client of protocol 2.0 or older: Byte1 'E', then `text\n\0`, without a length.
 *
 * @see https://www.postgresql.org/docs/7.3/protocol-message-formats.html
 */
export function encodeFatalV2(error: ProxyError): Buffer {
  return Buffer.from(`EFATAL:  ${error.message.replaceAll('\0', ' ')}\n\0`);
}

/**
 * Decodes the body of an ErrorResponse ('E') or NoticeResponse ('N'). Fields may come in any order.
 *
 * @throws {@link ProxyError} 08P01 if a field is cut off or bytes follow the last.
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function decodeErrorFields(body: Buffer): ErrorFields {
  const fields = new Map<string, string>();
  let offset = 0;
  while (offset < body.length && body[offset] !== 0) {
    const end = body.indexOf(0, offset + 1);
    if (end === -1) break;
    fields.set(String.fromCharCode(body[offset] ?? 0), body.toString('utf8', offset + 1, end));
    offset = end + 1;
  }
  if (offset !== body.length - 1 || body[offset] !== 0) {
    throw new ProxyError(SqlState.protocolViolation, 'invalid error message from the server');
  }
  return {
    severity: fields.get(FIELD_CODES.severityV) ?? fields.get(FIELD_CODES.severity) ?? 'ERROR',
    sqlState: fields.get(FIELD_CODES.sqlState) ?? SqlState.internalError,
    message: fields.get(FIELD_CODES.message) ?? '',
    detail: fields.get(FIELD_CODES.detail),
    hint: fields.get(FIELD_CODES.hint),
  };
}
