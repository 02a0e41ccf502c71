/**
 * Does things at their times, in order, to some microseconds. A timer of Node.js counts whole
 * milliseconds and fires late by up to one, so as long as anything is due soon, this spins.
 */
export class DelayLine {
  #queue: { readonly due: number; readonly work: () => void }[] = [];
  #isSpinning = false;

  /** @param due - in terms of performance.now(). Of two with the same time, the first comes first. */
  at(due: number, work: () => void): void {
    const last = this.#queue.at(-1);
    if (last === undefined || last.due <= due) this.#queue.push({ due, work });
    else {
      const index = this.#queue.findLastIndex((one) => one.due <= due);
      this.#queue.splice(index + 1, 0, { due, work });
    }
    if (this.#isSpinning) return;
    this.#isSpinning = true;
    setImmediate(this.#spin);
  }

  readonly #spin = (): void => {
    let ready = 0;
    const now = performance.now();
    while ((this.#queue[ready]?.due ?? Number.POSITIVE_INFINITY) <= now) ready += 1;
    for (const { work } of this.#queue.splice(0, ready)) work();
    if (this.#queue.length > 0) setImmediate(this.#spin);
    else this.#isSpinning = false;
  };
}
