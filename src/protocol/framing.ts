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
  /** The start of a header that was cut by the end of a chunk. */
  #header: Buffer = NOTHING;
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
    return this.#remaining === 0 && this.#header.length === 0 && !this.#lost;
  }

  /** Whether the stream stopped making sense as messages. */
  get lost(): boolean {
    return this.#lost;
  }

  push(chunk: Buffer): void {
    if (this.#lost) return;
    let offset = this.#remaining > 0 ? this.#passBody(chunk, 0) : 0;
    if (this.#header.length > 0) offset = this.#completeHeader(chunk);
    const end = chunk.length;
    while (end - offset >= HEADER_LENGTH) {
      const type = chunk[offset] as number;
      const length = lengthAt(chunk, offset + 1);
      if (length < 4) return this.#lose();
      const next = offset + 1 + length;
      if (next <= end && this.#watched[type] === IGNORED) {
        offset = next;
        continue;
      }
      this.#begin(type, length - 4);
      offset = this.#passBody(chunk, offset + HEADER_LENGTH);
    }
    if (offset < end) this.#header = Buffer.from(chunk.subarray(offset));
  }

  /** Completes a header cut by the end of the last chunk; returns where its body starts to be unread. */
  #completeHeader(chunk: Buffer): number {
    const cut = this.#header.length;
    const header = Buffer.concat([this.#header, chunk.subarray(0, HEADER_LENGTH - cut)]);
    if (header.length < HEADER_LENGTH) {
      this.#header = header;
      return chunk.length;
    }
    this.#header = NOTHING;
    const length = lengthAt(header, 1);
    if (length < 4) {
      this.#lose();
      return chunk.length;
    }
    this.#begin(header[0] as number, length - 4);
    return this.#passBody(chunk, HEADER_LENGTH - cut);
  }

  #begin(type: number, bodyLength: number): void {
    this.#type = type;
    this.#remaining = bodyLength;
    this.#kept = NOTHING;
    this.#keepLength = this.#watched[type] as number;
  }

  /** Passes what the chunk has of the current body; returns the offset behind it. */
  #passBody(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#remaining);
    this.#remaining -= end - offset;
    const missing = this.#keepLength - this.#kept.length;
    if (missing > 0) {
      const piece = chunk.subarray(offset, Math.min(end, offset + missing));
      this.#kept =
        this.#kept.length === 0 && this.#remaining === 0 ? piece : Buffer.concat([this.#kept, piece]);
    }
    if (this.#remaining === 0 && this.#keepLength !== IGNORED) this.#onMessage(this.#type, this.#kept);
    return end;
  }

  #lose(): void {
    this.#lost = true;
    this.#header = NOTHING;
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
