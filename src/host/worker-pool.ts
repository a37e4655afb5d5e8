import type { Jobs } from "./jobs.ts";
import { ThreadStock } from "./thread-stock.ts";
import { WorkerLane } from "./worker-lane.ts";

/**
 * Work that lasts (zeroing) and work that can hang with a disk (unmounting) never stands in the way of a short question,
 * and one never in the way of the other.
 */
export type LaneName = "query" | "mount" | "data";

/** Does a job in a worker thread. Jobs of one key and lane are done one at a time. */
export type RunJob = <Name extends keyof Jobs>(
  lane: LaneName,
  key: string,
  name: Name,
  input: Parameters<Jobs[Name]>[0],
) => Promise<ReturnType<Jobs[Name]>>;

export interface WorkerPool {
  readonly runJob: RunJob;
  /** Waits for the jobs at work, refuses the others and ends the threads. */
  close(): Promise<void>;
}

const MAXIMUM_AT_WORK = 4;
const IDLE_MILLISECONDS = 60_000;

export function createWorkerPool(): WorkerPool {
  const stock = new ThreadStock({
    entry: new URL("./worker.ts", import.meta.url),
    idleMilliseconds: IDLE_MILLISECONDS,
  });
  const lanes: Readonly<Record<LaneName, WorkerLane>> = {
    query: new WorkerLane(stock, MAXIMUM_AT_WORK),
    mount: new WorkerLane(stock, MAXIMUM_AT_WORK),
    data: new WorkerLane(stock, MAXIMUM_AT_WORK),
  };
  return {
    runJob: async <Name extends keyof Jobs>(
      lane: LaneName,
      key: string,
      name: Name,
      input: Parameters<Jobs[Name]>[0],
    ) => {
      const value = await lanes[lane].run(key, { name, input });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- worker.ts gives back what the job returned
      return value as ReturnType<Jobs[Name]>;
    },
    close: async () => {
      await Promise.all(Object.values(lanes).map((lane) => lane.close()));
      await stock.close();
    },
  };
}
