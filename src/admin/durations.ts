/** Each bin is wider than the one before by this factor: a percentile is right to a few percent. */
const GROWTH = 1.1;

/** In milliseconds, where the second bin begins. */
const SMALLEST = 0.1;

/** Enough for ten minutes; whatever takes longer is in the last one. */
const BIN_COUNT = 165;

/** How long things took, for percentiles, in a bounded place however many there are. */
export class Durations {
  readonly #bins = new Uint32Array(BIN_COUNT);
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  note(ms: number): void {
    const bin = ms < SMALLEST ? 0 : 1 + Math.floor(Math.log(ms / SMALLEST) / Math.log(GROWTH));
    const index = Math.min(bin, BIN_COUNT - 1);
    this.#bins[index] = (this.#bins[index] ?? 0) + 1;
    this.#count += 1;
    this.#min = Math.min(this.#min, ms);
    this.#max = Math.max(this.#max, ms);
  }

  /**
   * What a share of them took at most, in milliseconds; 0 if there are none.
   *
   * @param share - from 0 to 1.
   */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    const index = this.#bins.findIndex((count) => (seen += count) >= rank);
    if (index === -1) return 0;
    // The middle of the bin, but nothing that there cannot have been.
    const middle = SMALLEST * GROWTH ** (index - 0.5);
    return Math.min(Math.max(middle, this.#min), this.#max);
  }
}
