/** A server's messages as bytes, written down anew here so that they do not share a mistake with the program's own. */

/** A typed message: Byte1 type, Int32 length, body. */
export function message(type: string, ...body: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(body.map((part) => Buffer.from(part as string)));
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An untyped packet of a client: Int32 length, body. */
export function packet(...body: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(body.map((part) => Buffer.from(part as string)));
  return Buffer.concat([int32(bytes.length + 4), bytes]);
}

export function authentication(code: number, data: Buffer | string = ''): Buffer {
  return message('R', int32(code), data);
}

/** An ErrorResponse or NoticeResponse, its fields in the order given. */
export function report(type: 'E' | 'N', fields: Readonly<Record<string, string>>): Buffer {
  const text = Object.entries(fields).map(([code, value]) => `${code}${value}\0`);
  return message(type, ...text, '\0');
}

export function fatal(sqlState: string, text: string): Buffer {
  return report('E', { S: 'FATAL', V: 'FATAL', C: sqlState, M: text });
}

export function notice(text: string): Buffer {
  return report('N', { S: 'NOTICE', V: 'NOTICE', C: '00000', M: text });
}

export const CLEARTEXT_PASSWORD = authentication(3);

export const AUTHENTICATION_OK = authentication(0);

export const READY = message('Z', 'I');

/** From AuthenticationOk to the first ReadyForQuery. */
export const WELCOME = Buffer.concat([
  AUTHENTICATION_OK,
  message('S', 'server_version\0', '18.0\0'),
  message('S', 'client_encoding\0', 'UTF8\0'),
  message('K', int32(4_711), int32(0x12_34_56_78)),
  READY,
]);

export const SSL_REQUEST = packet(int32(80_877_103));

export const GSSENC_REQUEST = packet(int32(80_877_104));

/** Protocol 3.0: user "anyone", database "app". */
export const STARTUP = packet(int32(0x00_03_00_00), 'user\0anyone\0database\0app\0\0');
