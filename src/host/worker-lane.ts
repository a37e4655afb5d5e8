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

/** How many jobs of a lane are at work at a time. */
export interface LaneLimits {
  /** Of those that come to an end as they should. */
  readonly usual: number;
  /** Of all, those that hang with their disk included. */
  readonly most: number;
  /** A job at work for longer than this counts as hanging. */
  readonly patienceMilliseconds: number;
}

interface JobAtWork {
  readonly end: Promise<void>;
  hangs: boolean;
}

/**
 * Jobs of one sort, of which a bounded number is at work. Jobs of one key (a device, a path) are done one at a time, in
 * order. So a device that hangs holds up one thread and those who ask about it; and as a job that hangs gives up its
 * place after a while, a few such devices do not hold up the others for good.
 */
export class WorkerLane {
  readonly #stock: ThreadStock;
  readonly #limits: LaneLimits;
  readonly #waiting: WaitingJob[] = [];
  /** By their keys. */
  readonly #atWork = new Map<string, JobAtWork>();
  #closed = false;

  constructor(stock: ThreadStock, limits: LaneLimits) {
    this.#stock = stock;
    this.#limits = limits;
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
    await Promise.all([...this.#atWork.values()].map(({ end }) => end));
  }

  #next(): void {
    while (this.#hasRoom()) {
      const index = this.#waiting.findIndex((job) => !this.#atWork.has(job.key));
      const [job] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (job === undefined) {
        return;
      }
      this.#begin(job);
    }
  }

  #hasRoom(): boolean {
    const counted = [...this.#atWork.values()].filter(({ hangs }) => !hangs).length;
    return counted < this.#limits.usual && this.#atWork.size < this.#limits.most;
  }

  #begin(job: WaitingJob): void {
    const patience = setTimeout(() => {
      atWork.hangs = true;
      this.#next();
    }, this.#limits.patienceMilliseconds);
    patience.unref();
    const end = this.#perform(job).finally(() => {
      clearTimeout(patience);
      this.#atWork.delete(job.key);
      this.#next();
    });
    const atWork: JobAtWork = { end, hangs: false };
    this.#atWork.set(job.key, atWork);
  }

  async #perform(job: WaitingJob): Promise<void> {
    try {
      job.result.resolve(await this.#stock.lend((thread) => thread.run(job.request)));
    } catch (error) {
      job.result.reject(error);
    }
  }
}

function closedError(): SystemError {
  return new SystemError("ECANCELED", "the host has been closed");
}
