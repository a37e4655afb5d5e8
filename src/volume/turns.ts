/**
 * Lets steps of bulk work on the disks of one volume group follow one another, in the order in which they come. One keeps
 * a disk busy; with more in its queue, whatever a pod reads comes late.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(step);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
