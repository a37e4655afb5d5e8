import { SHARE_ENV, Worker } from "node:worker_threads";
import { restoreError } from "./job-message.ts";
import type { JobAnswer, JobRequest } from "./job-message.ts";

/** A worker thread that does one job at a time. */
export interface WorkerThread {
  /** Rejects with the job's error, or with the thread's own when it ends first. */
  run(request: JobRequest): Promise<unknown>;
  /** Ends the thread. It must not be at work: a system call cannot be interrupted. */
  end(): Promise<void>;
  /** Whether the thread has ended, by itself or not. */
  readonly ended: boolean;
}

/** Ample for the jobs, whose buffers lie outside the heap; what V8 would take by default is hundreds of mebibytes. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

export function startWorkerThread(entry: URL): WorkerThread {
  const worker = new Worker(entry, {
    env: SHARE_ENV,
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS,
    // Descriptors opened in one thread are used in others and must outlive it.
    trackUnmanagedFds: false,
  });
  worker.unref();
  let job: PromiseWithResolvers<unknown> | undefined;
  let ended = false;
  const finish = (settle: (job: PromiseWithResolvers<unknown>) => void): void => {
    const finished = job;
    job = undefined;
    worker.unref();
    if (finished !== undefined) {
      settle(finished);
    }
  };
  worker.on("message", (answer: JobAnswer) => finish((finished) => settleJob(finished, answer)));
  worker.on("error", (error) => {
    // it exits in a moment, and must not be given another job before that
    ended = true;
    finish((finished) => finished.reject(error));
  });
  worker.on("exit", (code) => {
    ended = true;
    finish((finished) => finished.reject(new Error(`the thread ended with status ${code} before its job`)));
  });
  return {
    run: async (request) => {
      job = Promise.withResolvers<unknown>();
      // The process must not end while somebody waits for this thread.
      worker.ref();
      worker.postMessage(request);
      return job.promise;
    },
    end: async () => {
      await worker.terminate();
    },
    get ended() {
      return ended;
    },
  };
}

function settleJob(job: PromiseWithResolvers<unknown>, answer: JobAnswer): void {
  if ("error" in answer) {
    job.reject(restoreError(answer.error));
  } else {
    job.resolve(answer.value);
  }
}
