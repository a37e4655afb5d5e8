import { SystemError } from "../errors.ts";
import type { BlockDevice, Devices } from "./host.ts";
import { lowerDevicesOf } from "./sysfs-devices.ts";
import type { RunJob } from "./worker-pool.ts";

const PIECE_BYTES = 4096;

/** The kubelet asks of a pod's volumes in a row: what answered so short a time ago is not asked again. */
const sharedAnswerMs = 200;

/**
 * At most so many calls wait for one read: more than the kubelet makes at once, and few enough to be kept for as long as
 * a dead disk hangs, though those who made them have long been answered.
 */
export const mostWaiting = 1024;

/** A read of a disk that is under way. */
interface PendingRead {
  readonly end: Promise<void>;
  waiting: number;
}

/**
 * Reads the end of a device: a filesystem keeps its first blocks in memory for as long as it is mounted, so that reading
 * those would ask no disk.
 */
export function createDiskCheck(runJob: RunJob, sysfs: string): Devices["checkDisk"] {
  const answeredAt = new Map<string, number>();
  const pending = new Map<string, PendingRead>();

  const read = async (key: string, device: BlockDevice, isWhole: boolean): Promise<void> => {
    const range = { offset: Math.max(0, device.sizeBytes - PIECE_BYTES), length: PIECE_BYTES };
    await runJob("check", key, "readDevice", { device, ranges: [range] });
    if (isWhole) answeredAt.set(key, performance.now());
  };
  const begin = (key: string, device: BlockDevice, isWhole: boolean): PendingRead => {
    const begun = { end: read(key, device, isWhole).finally(() => pending.delete(key)), waiting: 0 };
    pending.set(key, begun);
    return begun;
  };
  const hasAnswered = (key: string): boolean => {
    for (const [each, at] of answeredAt) if (performance.now() - at >= sharedAnswerMs) answeredAt.delete(each);
    return answeredAt.has(key);
  };

  return async (device) => {
    const disks = disksUnder(sysfs, device);
    const key = disks.join(" ");
    while (!hasAnswered(key)) {
      const earlier = pending.get(key);
      // of several disks only one is read, and another volume may end on the next
      if (earlier === undefined) return begin(key, device, disks.length === 1).end;
      await settled(key, earlier);
    }
  };
}

/** Its failure is told to the call that began it alone: another volume's end may be readable. */
async function settled(key: string, read: PendingRead): Promise<void> {
  if (read.waiting >= mostWaiting) {
    throw new SystemError("EAGAIN", `${key}: ${mostWaiting} calls wait already for a read that does not return`);
  }
  read.waiting += 1;
  await read.end.catch(() => {});
}

/**
 * The names of what lies lowest under a device, in order, and together the key of all volumes of a disk: if it hangs,
 * one read hangs with it, however many volumes it has. Looked for all the way down, since a physical volume may itself
 * be a device over several disks (md(4), dm-crypt over it). A device that has just gone lies on nothing; the read will
 * tell.
 */
export function disksUnder(sysfs: string, device: Pick<BlockDevice, "name">): readonly string[] {
  const lower = lowerDevicesOf(sysfs, device.name);
  if (lower.length === 0) return [device.name];
  return [...new Set(lower.flatMap((name) => disksUnder(sysfs, { name })))].toSorted();
}
