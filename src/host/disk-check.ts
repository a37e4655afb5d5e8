import type { BlockDevice, Devices } from "./host.ts";
import { lowerDevicesOf } from "./sysfs-devices.ts";
import type { RunJob } from "./worker-pool.ts";

const PIECE_BYTES = 4096;

/** The kubelet asks of a pod's volumes in a row: what answered so short a time ago is not asked again. */
const sharedAnswerMs = 200;

/**
 * Reads the end of a device: a filesystem keeps its first blocks in memory for as long as it is mounted, so that reading
 * those would ask no disk.
 */
export function createDiskCheck(runJob: RunJob, sysfs: string): Devices["checkDisk"] {
  const answeredAt = new Map<string, number>();
  return async (device) => {
    const disks = disksUnder(sysfs, device);
    const key = disks.join(" ");
    for (const [each, at] of answeredAt) if (performance.now() - at >= sharedAnswerMs) answeredAt.delete(each);
    if (answeredAt.has(key)) return;
    const range = { offset: Math.max(0, device.sizeBytes - PIECE_BYTES), length: PIECE_BYTES };
    await runJob("check", key, "readDevice", { device, ranges: [range] });
    // of several disks only one has been read, and another volume may end on the next
    if (disks.length === 1) answeredAt.set(key, performance.now());
  };
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
