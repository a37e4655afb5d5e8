import { setTimeout } from "node:timers/promises";
import { VolumeError } from "../errors.ts";
import type { Context } from "./context.ts";

/** Longest wait for a group, in milliseconds; livenessprobe waits 3 s by default. */
const patienceMs = 2000;

/**
 * Whether any volume group of the allow-list can be used. A missing one is not ill health: sidecars wait, and unstage,
 * unpublish and statistics work meanwhile.
 */
export async function isReady(context: Context): Promise<boolean> {
  assertPrograms(context);
  const reads = [...context.groups.values()].map((group) => group.read().then(() => true));
  // The first group that can be read decides: one on a disk that hangs must not hold up the others' pods.
  const late = setTimeout(patienceMs, false, { ref: false });
  return Promise.race([Promise.any(reads).catch(() => false), late]);
}

/** @throws VolumeError failedPrecondition, which is Probe's word for what an operator must mend */
function assertPrograms(context: Context): void {
  const missing = context.host.missingPrograms(["lvm", "mkfs.ext4", "e2fsck"]);
  if (!context.host.hasDeviceMapper()) {
    const reason = "the kernel has no device-mapper (modprobe dm-mod), or the driver is not root";
    throw new VolumeError("failedPrecondition", `/dev/mapper/control cannot be opened: ${reason}`);
  }
  if (missing.length > 0) {
    throw new VolumeError("failedPrecondition", `not found on the PATH: ${missing.join(", ")}`);
  }
}
