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

  const read = async (disks: string, device: BlockDevice): Promise<void> => {
    const range = { offset: Math.max(0, device.sizeBytes - PIECE_BYTES), length: PIECE_BYTES };
    await runJob("check", disks, "readDevice", { device, ranges: [range] });
    // of several disks only one has been read, and another volume may end on the next
    if (liesOnOneDisk(sysfs, device.name)) answeredAt.set(disks, performance.now());
  };
  const begin = (disks: string, device: BlockDevice): PendingRead => {
    const begun = { end: read(disks, device).finally(() => pending.delete(disks)), waiting: 0 };
    pending.set(disks, begun);
    return begun;
  };
  const hasAnswered = (disks: string): boolean => {
    for (const [each, at] of answeredAt) if (performance.now() - at >= sharedAnswerMs) answeredAt.delete(each);
    return answeredAt.has(disks);
  };

  return async (device) => {
    const disks = disksUnder(sysfs, device);
    while (!hasAnswered(disks)) {
      const earlier = pending.get(disks);
      if (earlier === undefined) return begin(disks, device).end;
      await settled(disks, earlier);
    }
  };
}

/** Its failure is told to the call that began it alone: another volume's end may be readable. */
async function settled(disks: string, read: PendingRead): Promise<void> {
  if (read.waiting >= mostWaiting) {
    throw new SystemError("EAGAIN", `${disks}: ${mostWaiting} calls wait already for a read that does not return`);
  }
  read.waiting += 1;
  await read.end.catch(() => {});
}

/**
 * One key for all volumes of a disk: if it hangs, one read hangs with it, however many volumes it has. A device that
 * has just gone lies on nothing; the read will tell.
 */
export function disksUnder(sysfs: string, device: BlockDevice): string {
  const slaves = lowerDevicesOf(sysfs, device.name);
  return slaves.length === 0 ? device.name : slaves.toSorted().join(" ");
}

/**
 * Looked at all the way down: what a volume lies on may itself lie on several disks (md(4), or dm-crypt over it). Where
 * ways part and meet again, one of them may hang beside the other.
 */
function liesOnOneDisk(sysfs: string, name: string): boolean {
  const [lower, ...others] = lowerDevicesOf(sysfs, name);
  return others.length === 0 && (lower === undefined || liesOnOneDisk(sysfs, lower));
}
