/**
 * Called when the last byte of a watched message has passed.
 *
 * @param type - its type byte.
 * @param body - up to as many bytes of its body as the watch list asked for; valid during the call only.
 */
export type OnMessage = (type: number, body: Buffer) => void;

/** By type byte: how much of the body to keep for the callback, or {@link IGNORED}. */
export type WatchList = Int16Array;

const IGNORED = -1;
const NOTHING = Buffer.alloc(0);
const HEADER_LENGTH = 5;

/** The length counts itself. */
const MIN_LENGTH = 4;

/** A watch list from a map such as `{ Z: 1, K: 264 }`: message type to bytes of its body wanted. */
export function watchList(wanted: Readonly<Record<string, number>>): WatchList {
  const list = new Int16Array(256).fill(IGNORED);
  for (const [type, length] of Object.entries(wanted)) list[type.charCodeAt(0)] = length;
  return list;
}

/**
 * Follows message boundaries through a stream that is relayed elsewhere: Byte1 type, Int32 length
 * (which counts itself), body. Copies nothing but the few bytes of a header, or of a watched body,
 * that fall across two chunks.
 *
 * A length below 4 (or over 2^31 - 1) cannot be followed: the framer then reports {@link lost} and stays silent, and
 * the two peers are left to sort it out.
 *
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
export class MessageFramer {
  readonly #watched: WatchList;
  readonly #onMessage: OnMessage;
  /** Bytes of the current message that are still to come, once its header is known. */
  #remaining = 0;
  /** How much of a header has come that was cut by the end of a chunk, and what its length field is so far. */
  #headerLength = 0;
  #length = 0;
  #type = 0;
  #kept: Buffer = NOTHING;
  #keepLength = IGNORED;
  #lost = false;

  constructor(watched: WatchList, onMessage: OnMessage) {
    this.#watched = watched;
    this.#onMessage = onMessage;
  }

  /** Whether everything pushed so far ends exactly where a message ends. */
  get atBoundary(): boolean {
    return this.#remaining === 0 && this.#headerLength === 0 && !this.#lost;
  }

  /** Whether the stream stopped making sense as messages. */
  get lost(): boolean {
    return this.#lost;
  }

  push(chunk: Buffer): void {
    if (this.#lost) return;
    const watched = this.#watched;
    const end = chunk.length;
    let offset = this.#remaining > 0 ? this.#passBody(chunk, 0) : 0;
    if (this.#headerLength > 0) offset = this.#readHeader(chunk, offset);
    // The way of nearly all messages, rows above all: a few nanoseconds each, and nothing allocated.
    while (end - offset >= HEADER_LENGTH) {
      const type = chunk[offset] as number;
      const length = lengthAt(chunk, offset + 1);
      if (length < MIN_LENGTH) return this.#lose();
      const next = offset + 1 + length;
      if (next <= end && watched[type] === IGNORED) {
        offset = next;
        continue;
      }
      this.#begin(type, length);
      offset = this.#passBody(chunk, offset + HEADER_LENGTH);
    }
    if (offset < end) this.#readHeader(chunk, offset);
  }

  /** Reads what the chunk has of a header that is cut, and what it has of its body; returns the offset behind it. */
  #readHeader(chunk: Buffer, start: number): number {
    let offset = start;
    while (offset < chunk.length) {
      const byte = chunk[offset] as number;
      offset += 1;
      if (this.#headerLength === 0) this.#type = byte;
      else this.#length = (this.#length << 8) | byte;
      this.#headerLength += 1;
      if (this.#headerLength < HEADER_LENGTH) continue;
      const length = this.#length;
      this.#headerLength = 0;
      this.#length = 0;
      if (length < MIN_LENGTH) {
        this.#lose();
        return chunk.length;
      }
      this.#begin(this.#type, length);
      return this.#passBody(chunk, offset);
    }
    return offset;
  }

  #begin(type: number, length: number): void {
    this.#type = type;
    this.#remaining = length - MIN_LENGTH;
    this.#kept = NOTHING;
    this.#keepLength = this.#watched[type] as number;
  }

  /** Passes what the chunk has of the current body; returns the offset behind it. */
  #passBody(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#remaining);
    this.#remaining -= end - offset;
    if (this.#keepLength === IGNORED) return end;
    const missing = this.#keepLength - this.#kept.length;
    if (missing > 0) {
      const piece = chunk.subarray(offset, Math.min(end, offset + missing));
      this.#kept =
        this.#kept.length === 0 && this.#remaining === 0 ? piece : Buffer.concat([this.#kept, piece]);
    }
    if (this.#remaining === 0) this.#onMessage(this.#type, this.#kept);
    return end;
  }

  #lose(): void {
    this.#lost = true;
    this.#headerLength = 0;
  }
}

/** An Int32, read without the checks that Buffer's own methods make. */
function lengthAt(bytes: Buffer, offset: number): number {
  return (
    ((bytes[offset] as number) << 24) |
    ((bytes[offset + 1] as number) << 16) |
    ((bytes[offset + 2] as number) << 8) |
    (bytes[offset + 3] as number)
  );
}
