/** Work done one piece at a time, first come, first served. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs the work when all work before it has ended, well or badly. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work, work);
    this.#last = result;
    return result;
  }

  /** Resolves when nothing is left to do, what is given meanwhile included. */
  async idle(): Promise<void> {
    for (let last; last !== this.#last;) {
      last = this.#last;
      await last.catch(() => {});
    }
  }
}
