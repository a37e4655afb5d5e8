import { SystemError } from "../errors.ts";
import type { JobRequest } from "./job-message.ts";
import { startWorkerThread } from "./worker-thread.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface WorkerLaneOptions {
  readonly name: string;
  /** At most so many threads, and so many jobs at work. */
  readonly threads: number;
  /** A thread without work ends after this long. */
  readonly idleMilliseconds: number;
  /** The module that the threads run. */
  readonly entry: URL;
}

/** At most so many jobs wait for one key; a call that finds more is refused instead of adding to them for ever. */
const MAXIMUM_WAITING = 64;

interface WaitingJob {
  readonly key: string;
  readonly request: JobRequest;
  readonly result: PromiseWithResolvers<unknown>;
}

/**
 * A bounded set of worker threads, started at need and ended when idle. Jobs of one key (a device, a path) are done one
 * at a time, in order: so a device that hangs holds up one thread, and the others serve the other devices.
 */
export class WorkerLane {
  readonly #options: WorkerLaneOptions;
  readonly #waiting: WaitingJob[] = [];
  readonly #busyKeys = new Set<string>();
  /** Threads without work, the one used last at the end, each with the timer of its end. */
  readonly #idle: { thread: WorkerThread; timer: NodeJS.Timeout }[] = [];
  #busy: Promise<void>[] = [];
  #closed = false;

  constructor(options: WorkerLaneOptions) {
    this.#options = options;
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

  /** Refuses what waits, lets what is at work come to its end, and ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) {
      job.result.reject(closedError());
    }
    await Promise.all(this.#busy);
    await Promise.all(
      this.#idle.splice(0).map(({ thread, timer }) => {
        clearTimeout(timer);
        return thread.end();
      }),
    );
  }

  get threadCount(): number {
    return this.#busy.length + this.#idle.length;
  }

  #next(): void {
    const index = this.#waiting.findIndex((job) => !this.#busyKeys.has(job.key));
    const job = this.#waiting[index];
    if (job === undefined || this.#busy.length >= this.#options.threads) {
      return;
    }
    this.#waiting.splice(index, 1);
    this.#busyKeys.add(job.key);
    const work = this.#perform(job).finally(() => {
      this.#busy = this.#busy.filter((other) => other !== work);
      this.#busyKeys.delete(job.key);
      this.#next();
    });
    this.#busy.push(work);
  }

  async #perform(job: WaitingJob): Promise<void> {
    const thread = this.#takeThread();
    try {
      job.result.resolve(await thread.run(job.request));
    } catch (error) {
      job.result.reject(error);
    }
    if (!thread.ended) {
      this.#keepForLater(thread);
    }
  }

  #takeThread(): WorkerThread {
    const last = this.#idle.pop();
    if (last === undefined) {
      return startWorkerThread({ entry: this.#options.entry, name: this.#options.name });
    }
    clearTimeout(last.timer);
    return last.thread.ended ? this.#takeThread() : last.thread;
  }

  #keepForLater(thread: WorkerThread): void {
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.thread === thread),
        1,
      );
      void thread.end();
    }, this.#options.idleMilliseconds);
    timer.unref();
    this.#idle.push({ thread, timer });
  }
}

function closedError(): SystemError {
  return new SystemError("ECANCELED", "the host has been closed");
}
