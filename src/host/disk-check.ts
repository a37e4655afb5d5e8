import { readdirSync } from "node:fs";
import { hasCode } from "./error-code.ts";
import type { BlockDevice, Devices } from "./host.ts";
import type { RunJob } from "./worker-pool.ts";

const PIECE_BYTES = 4096;

/**
 * Reads the end of a device: a filesystem keeps its first blocks in memory for as long as it is mounted, so that reading
 * those would ask no disk.
 */
export function createDiskCheck(runJob: RunJob, sysfs: string): Devices["checkDisk"] {
  return async (device) => {
    const range = { offset: Math.max(0, device.sizeBytes - PIECE_BYTES), length: PIECE_BYTES };
    await runJob("check", disksUnder(sysfs, device), "readDevice", { device, ranges: [range] });
  };
}

/** One key for all volumes of a disk: if it hangs, one read hangs with it, however many volumes it has. */
export function disksUnder(sysfs: string, device: BlockDevice): string {
  const slaves = namesIn(`${sysfs}/class/block/${device.name}/slaves`);
  return slaves.length === 0 ? device.name : slaves.toSorted().join(" ");
}

/** A device that has just gone has none; the read will tell. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      return [];
    }
    throw error;
  }
}
