import { LvmError, VolumeError } from "../errors.ts";
import type { Context } from "./context.ts";

/**
 * Whether any volume group of the allow-list can be used. A missing one is not ill health: sidecars wait, and unstage,
 * unpublish and statistics work meanwhile.
 */
export async function isReady(context: Context): Promise<boolean> {
  assertPrograms(context);
  const reads = [...context.groups.values()].map((group) =>
    group.read().then(
      () => true,
      (error: unknown) => {
        if (error instanceof LvmError) return false;
        throw error;
      },
    ),
  );
  return (await Promise.all(reads)).includes(true);
}

/** @throws VolumeError failedPrecondition, which is Probe's word for what an operator must mend */
function assertPrograms(context: Context): void {
  const missing = context.host.missingPrograms(["lvm", "mkfs.ext4", "e2fsck", "resize2fs"]);
  if (!context.host.hasDeviceMapper()) {
    throw new VolumeError("failedPrecondition", "this kernel has no device-mapper: /dev/mapper/control is missing");
  }
  if (missing.length > 0) {
    throw new VolumeError("failedPrecondition", `not installed on this node: ${missing.join(", ")}`);
  }
}
