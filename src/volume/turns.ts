/** Two keep a disk busy; with more in its queue, whatever a pod reads comes late. */
const mostAtOnce = 2;

/** Lets steps of bulk work on the disks of one volume group take turns, in the order in which they come. */
export class Turns {
  #free = mostAtOnce;
  readonly #waiting: (() => void)[] = [];

  async take<Result>(step: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    try {
      return await step();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
