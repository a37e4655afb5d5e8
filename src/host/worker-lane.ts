import { SystemError } from "../errors.ts";
import type { JobRequest } from "./job-message.ts";
import type { ThreadStock } from "./thread-stock.ts";

/** At most so many jobs wait for one key; a call that finds more is refused instead of adding to them for ever. */
export const MAXIMUM_WAITING = 64;

interface WaitingJob {
  readonly key: string;
  readonly request: JobRequest;
  readonly result: PromiseWithResolvers<unknown>;
}

/**
 * Jobs of one sort, of which a bounded number is at work. Jobs of one key (a device, a path) are done one at a time, in
 * order: so a device that hangs holds up one thread, and the others serve the other devices.
 */
export class WorkerLane {
  readonly #stock: ThreadStock;
  readonly #maximumAtWork: number;
  readonly #waiting: WaitingJob[] = [];
  /** The keys of the jobs at work. */
  readonly #busy = new Map<string, Promise<void>>();
  #closed = false;

  constructor(stock: ThreadStock, maximumAtWork: number) {
    this.#stock = stock;
    this.#maximumAtWork = maximumAtWork;
  }

  /** @throws SystemError EAGAIN when too many jobs wait for that key; ECANCELED when the lane has been closed. */
  async run(key: string, request: JobRequest): Promise<unknown> {
    if (this.#closed) {
      throw closedError();
    }
    if (this.#waiting.filter((job) => job.key === key).length >= MAXIMUM_WAITING) {
      throw new SystemError("EAGAIN", `${key}: ${MAXIMUM_WAITING} calls wait already for one that does not return`);
    }
    const result = Promise.withResolvers<unknown>();
    this.#waiting.push({ key, request, result });
    this.#next();
    return result.promise;
  }

  /** Refuses what waits and lets what is at work come to its end. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) {
      job.result.reject(closedError());
    }
    await Promise.all(this.#busy.values());
  }

  #next(): void {
    const index = this.#waiting.findIndex((job) => !this.#busy.has(job.key));
    const job = this.#waiting[index];
    if (job === undefined || this.#busy.size >= this.#maximumAtWork) {
      return;
    }
    this.#waiting.splice(index, 1);
    const work = this.#perform(job).finally(() => {
      this.#busy.delete(job.key);
      this.#next();
    });
    this.#busy.set(job.key, work);
  }

  async #perform(job: WaitingJob): Promise<void> {
    const thread = this.#stock.take();
    try {
      job.result.resolve(await thread.run(job.request));
    } catch (error) {
      job.result.reject(error);
    }
    this.#stock.giveBack(thread);
  }
}

function closedError(): SystemError {
  return new SystemError("ECANCELED", "the host has been closed");
}
