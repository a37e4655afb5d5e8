import { startWorkerThread } from "./worker-thread.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface ThreadStockOptions {
  /** The module that the threads run. */
  readonly entry: URL;
  /** A thread without work ends after this long, unless it is the only one of those. */
  readonly idleMilliseconds: number;
  /** How long a thread that is at work is waited for before another one is started. */
  readonly patienceMilliseconds: number;
}

interface Idle {
  readonly thread: WorkerThread;
  /** Of its end. */
  readonly timer: NodeJS.Timeout;
}

/**
 * Worker threads without work. All lanes take theirs from here, since a thread costs 10 MiB: a node that does one thing
 * after another has one, and so has one that does a few short things at once.
 */
export class ThreadStock {
  readonly #options: ThreadStockOptions;
  /** The one used last at the end. */
  readonly #idle: Idle[] = [];
  /** Who takes the threads that come back next. */
  readonly #waiting: ((thread: WorkerThread) => void)[] = [];
  #atWork = 0;

  constructor(options: ThreadStockOptions) {
    this.#options = options;
  }

  /**
   * Lends a thread without work; where all are at work, the one that comes back soon, or else a new one.
   * @throws Error when no thread can be started, and what the work throws
   */
  async lend<Result>(work: (thread: WorkerThread) => Promise<Result>): Promise<Result> {
    const thread = await this.#take();
    try {
      return await work(thread);
    } finally {
      this.#giveBack(thread);
    }
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

  async #take(): Promise<WorkerThread> {
    return this.#takeIdle() ?? (this.#atWork > 0 ? this.#nextBack() : this.#start());
  }

  #giveBack(thread: WorkerThread): void {
    const taker = thread.ended ? undefined : this.#waiting.shift();
    if (taker !== undefined) {
      taker(thread);
      return;
    }
    this.#atWork -= 1;
    if (!thread.ended) {
      this.#shelve(thread);
    }
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
    const { promise, resolve, reject } = Promise.withResolvers<WorkerThread>();
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(taker), 1);
      try {
        resolve(this.#start());
      } catch (error) {
        reject(error);
      }
    }, this.#options.patienceMilliseconds);
    const taker = (thread: WorkerThread): void => {
      clearTimeout(timer);
      resolve(thread);
    };
    this.#waiting.push(taker);
    return promise;
  }

  #start(): WorkerThread {
    const thread = startWorkerThread(this.#options.entry);
    this.#atWork += 1;
    return thread;
  }

  #shelve(thread: WorkerThread): void {
    const timer = setTimeout(() => this.#endUnlessOnly(idle), this.#options.idleMilliseconds);
    timer.unref();
    const idle = { thread, timer };
    this.#idle.push(idle);
  }

  #endUnlessOnly(idle: Idle): void {
    this.#idle.splice(this.#idle.indexOf(idle), 1);
    if (this.#idle.length === 0) {
      this.#shelve(idle.thread);
    } else {
      void idle.thread.end();
    }
  }
}
