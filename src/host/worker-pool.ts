import { extname } from "node:path";
import type { Jobs } from "./jobs.ts";
import { fileMappings, ownMappings } from "./program-mappings.ts";
import { ThreadStock } from "./thread-stock.ts";
import { WorkerLane } from "./worker-lane.ts";
import type { LaneLimits } from "./worker-lane.ts";

/** A lane for each sort of work, so that no sort waits for another. */
export type LaneName = keyof typeof lanes;

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

const patienceMilliseconds = 5_000;

/**
 * Each lane has threads of its own, up to `most`: together 81, if as many disks hang in every way there is. While they
 * do not, at most `usual` are at work, and most of the time one or two threads serve all lanes.
 */
const lanes = {
  /** Reads of disks: labels and metadata of physical volumes. As many can hang as there are dead disks. */
  read: { usual: 4, most: 14, patienceMilliseconds },
  /** Flushes of disks, which LVM's commits wait for. */
  flush: { usual: 4, most: 8, patienceMilliseconds },
  /** Reads of what a logical volume holds: a dead disk can have many of those, which must not hold up LVM's. */
  probe: { usual: 4, most: 8, patienceMilliseconds },
  /** Whether a disk answers, asked of each disk once at a time: its threads hang with dead disks and hold up no work. */
  check: { usual: 4, most: 8, patienceMilliseconds },
  /** Questions about paths, and making and removing them. */
  path: { usual: 4, most: 12, patienceMilliseconds },
  mount: { usual: 4, most: 8, patienceMilliseconds },
  /** Growing and flushing mounted filesystems: those that are frozen, or slow to flush, hold up no mount and no unmount. */
  grow: { usual: 4, most: 8, patienceMilliseconds },
  /** Steps of writing to a device that take as long as they are large. */
  data: { usual: 4, most: 6, patienceMilliseconds },
  /** What is short unless the disk hangs: opening, flushing and closing a logical volume's device. */
  device: { usual: 4, most: 8, patienceMilliseconds },
  /** Whether a program has ended, which waits for nothing. */
  child: { usual: 1, most: 1, patienceMilliseconds },
} satisfies Record<string, LaneLimits>;

/** Ten minutes: of each thread that has ended koffi 3.3 keeps 60 KiB for good, so few must end. */
const IDLE_MILLISECONDS = 600_000;
/** Most jobs take less, and starting a thread takes no less on a small machine. */
const PATIENCE_MILLISECONDS = 50;

/** What the start needs of the program is given up then, and from time to time what a rare piece of work needs. */
const PAGE_RELEASE_MILLISECONDS = 60_000;
/** From before any thread: see `releaseProgramPages`. */
const mappingsAtStart = fileMappings(ownMappings("maps"));

export function createWorkerPool(pageReleaseMilliseconds = PAGE_RELEASE_MILLISECONDS): WorkerPool {
  const stock = new ThreadStock({
    // worker.ts beside this file; worker.js beside the bundle that this file goes into (image/bundle.ts)
    entry: new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
    idleMilliseconds: IDLE_MILLISECONDS,
    patienceMilliseconds: PATIENCE_MILLISECONDS,
  });
  const open: Readonly<Record<LaneName, WorkerLane>> = {
    read: new WorkerLane(stock, lanes.read),
    flush: new WorkerLane(stock, lanes.flush),
    probe: new WorkerLane(stock, lanes.probe),
    check: new WorkerLane(stock, lanes.check),
    path: new WorkerLane(stock, lanes.path),
    mount: new WorkerLane(stock, lanes.mount),
    grow: new WorkerLane(stock, lanes.grow),
    data: new WorkerLane(stock, lanes.data),
    device: new WorkerLane(stock, lanes.device),
    child: new WorkerLane(stock, lanes.child),
  };
  const isReleaseDue = everySoOften(pageReleaseMilliseconds);
  return {
    runJob: async <Name extends keyof Jobs>(
      lane: LaneName,
      key: string,
      name: Name,
      input: Parameters<Jobs[Name]>[0],
    ) => {
      const releasePagesOf = isReleaseDue() ? mappingsAtStart : undefined;
      const value = await open[lane].run(key, { name, input, releasePagesOf });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- worker.ts gives back what the job returned
      return value as ReturnType<Jobs[Name]>;
    },
    close: async () => {
      await Promise.all(Object.values(open).map((lane) => lane.close()));
      await stock.close();
    },
  };
}

/** Tells once in so long that it is time. */
function everySoOften(milliseconds: number): () => boolean {
  let last = performance.now();
  return () => {
    if (performance.now() - last < milliseconds) return false;
    last = performance.now();
    return true;
  };
}
