import { startWorkerThread } from "./worker-thread.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface ThreadStockOptions {
  /** The module that the threads run. */
  readonly entry: URL;
  /** A thread without work ends after this long, unless it is the only one. */
  readonly idleMilliseconds: number;
}

/** Most jobs take less, and starting a thread takes no less on a small machine. */
const patienceMilliseconds = 50;

/**
 * Worker threads without work. All lanes take theirs from here, since a thread costs 10 MiB: a node that does one thing
 * after another has one, and so has one that does a few short things at once.
 */
export class ThreadStock {
  readonly #options: ThreadStockOptions;
  /** The one used last at the end, each with the timer of its end. */
  readonly #idle: { readonly thread: WorkerThread; readonly timer: NodeJS.Timeout }[] = [];
  /** Who takes the threads that come back next. */
  readonly #waiting: ((thread: WorkerThread) => void)[] = [];
  #atWork = 0;

  constructor(options: ThreadStockOptions) {
    this.#options = options;
  }

  /** A thread without work; where all are at work, the one that comes back soon, or else a new one. */
  async take(): Promise<WorkerThread> {
    return this.#takeIdle() ?? (this.#atWork > 0 ? this.#nextBack() : this.#start());
  }

  giveBack(thread: WorkerThread): void {
    const taker = thread.ended ? undefined : this.#waiting.shift();
    if (taker !== undefined) {
      taker(thread);
      return;
    }
    this.#atWork -= 1;
    if (thread.ended) {
      return;
    }
    const timer = setTimeout(() => this.#discardUnlessOnly(thread), this.#options.idleMilliseconds);
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

  #takeIdle(): WorkerThread | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      clearTimeout(last.timer);
      if (!last.thread.ended) {
        this.#atWork += 1;
        return last.thread;
      }
    }
    return undefined;
  }

  #nextBack(): Promise<WorkerThread> {
    const { promise, resolve } = Promise.withResolvers<WorkerThread>();
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(taker), 1);
      resolve(this.#start());
    }, patienceMilliseconds);
    const taker = (thread: WorkerThread): void => {
      clearTimeout(timer);
      resolve(thread);
    };
    this.#waiting.push(taker);
    return promise;
  }

  #start(): WorkerThread {
    this.#atWork += 1;
    return startWorkerThread(this.#options.entry);
  }

  #discardUnlessOnly(thread: WorkerThread): void {
    if (this.#atWork + this.#idle.length === 1) {
      return;
    }
    this.#idle.splice(
      this.#idle.findIndex((idle) => idle.thread === thread),
      1,
    );
    void thread.end();
  }
}
