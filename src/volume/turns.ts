/** A step that takes longer hangs with its disk, and the others are not on that disk alone. In milliseconds. */
const patienceMs = 5000;

/**
 * Lets steps of bulk work on the disks of one volume group follow one another, in the order in which they come. One keeps
 * a disk busy; with more in its queue, whatever a pod reads comes late.
 */
export class Turns {
  readonly #patienceMs: number;
  #last: Promise<unknown> = Promise.resolve();

  /** @param patience after how many milliseconds the turn goes on while a step is still at work */
  constructor(patience = patienceMs) {
    this.#patienceMs = patience;
  }

  take<Result>(step: () => Promise<Result>): Promise<Result> {
    const before = this.#last;
    const result = before.then(step);
    this.#last = before.then(() => endOrTimeout(result, this.#patienceMs));
    return result;
  }
}

async function endOrTimeout(result: Promise<unknown>, milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds).unref();
  await Promise.race([result.catch(() => undefined), promise]);
  clearTimeout(timer);
}
