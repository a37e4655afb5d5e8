import type { BlockDevice, Devices } from "./host.ts";
import { lowerDevicesOf } from "./sysfs-devices.ts";
import type { RunJob } from "./worker-pool.ts";

const PIECE_BYTES = 4096;

/** The kubelet asks of all volumes of a node in a row: what answered so short a time ago is not asked again. */
const sharedAnswerMs = 200;

/**
 * Reads the end of a device: a filesystem keeps its first blocks in memory for as long as it is mounted, so that reading
 * those would ask no disk.
 */
export function createDiskCheck(runJob: RunJob, sysfs: string): Devices["checkDisk"] {
  const answeredAt = new Map<string, number>();
  return async (device) => {
    const disks = disksUnder(sysfs, device);
    const now = performance.now();
    for (const [each, at] of answeredAt) if (now - at >= sharedAnswerMs) answeredAt.delete(each);
    if (answeredAt.has(disks)) return;
    const range = { offset: Math.max(0, device.sizeBytes - PIECE_BYTES), length: PIECE_BYTES };
    await runJob("check", disks, "readDevice", { device, ranges: [range] });
    answeredAt.set(disks, now);
  };
}

/**
 * One key for all volumes of a disk: if it hangs, one read hangs with it, however many volumes it has. A device that
 * has just gone lies on nothing; the read will tell.
 */
export function disksUnder(sysfs: string, device: BlockDevice): string {
  const slaves = lowerDevicesOf(sysfs, device.name);
  return slaves.length === 0 ? device.name : slaves.toSorted().join(" ");
}
