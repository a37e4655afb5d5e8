import { startWorkerThread } from "./worker-thread.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface ThreadStockOptions {
  /** The module that the threads run. */
  readonly entry: URL;
  /** A thread without work ends after this long. */
  readonly idleMilliseconds: number;
}

/**
 * Worker threads without work. All lanes take theirs from here, since a thread costs 9 MiB: a node that does one thing
 * after another has one.
 */
export class ThreadStock {
  readonly #options: ThreadStockOptions;
  /** The one used last at the end, each with the timer of its end. */
  readonly #idle: { readonly thread: WorkerThread; readonly timer: NodeJS.Timeout }[] = [];

  constructor(options: ThreadStockOptions) {
    this.#options = options;
  }

  /** A thread without work; a new one if there is none. */
  take(): WorkerThread {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      clearTimeout(last.timer);
      if (!last.thread.ended) {
        return last.thread;
      }
    }
    return startWorkerThread(this.#options.entry);
  }

  giveBack(thread: WorkerThread): void {
    if (thread.ended) {
      return;
    }
    const timer = setTimeout(() => this.#discard(thread), this.#options.idleMilliseconds);
    timer.unref();
    this.#idle.push({ thread, timer });
  }

  /** Ends the threads that are here. */
  async close(): Promise<void> {
    const idle = this.#idle.splice(0);
    idle.forEach(({ timer }) => clearTimeout(timer));
    await Promise.all(idle.map(({ thread }) => thread.end()));
  }

  get size(): number {
    return this.#idle.length;
  }

  #discard(thread: WorkerThread): void {
    this.#idle.splice(
      this.#idle.findIndex((idle) => idle.thread === thread),
      1,
    );
    void thread.end();
  }
}
