import type { BlockDevice, MountEntry } from "../host/host.ts";
import type { Volume } from "./context.ts";
import type { Context } from "./context.ts";
import { findDevice } from "./device.ts";
import { missingPhysicalVolumes } from "./room.ts";

/** CSI's VolumeCondition. */
export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

const normal: Condition = { abnormal: false, message: "the volume is in order" };

/** The condition as far as LVM's metadata and sysfs tell. */
export async function conditionOf(context: Context, volume: Volume): Promise<Condition> {
  const missing = missingBelow(volume);
  if (missing.length > 0) {
    return abnormal(`physical volume ${missing.join(", ")} of volume group ${volume.state.name} is missing`);
  }
  if (volume.record.state === "removing") return abnormal("the volume is being wiped and removed");
  const device = await findDevice(context, volume.logicalVolume);
  if (device === undefined) return abnormal("the logical volume is not active; staging it activates it");
  return deviceCondition(device);
}

/** The condition of a device that is in use. */
export function deviceCondition(device: BlockDevice): Condition {
  if (device.mapping?.suspended !== true) return normal;
  return abnormal("the device is suspended and answers nothing; the driver resumes it within a minute");
}

/** The condition of a mounted filesystem: one that the kernel made read-only is in trouble. */
export function mountCondition(device: BlockDevice, mount: MountEntry): Condition {
  const mountedReadOnly = mount.superOptions.includes("ro") && !mount.options.includes("ro");
  if (mountedReadOnly) return abnormal(`${mount.type} was made read-only after an error; see the kernel log`);
  return deviceCondition(device);
}

export function abnormal(message: string): Condition {
  return { abnormal: true, message };
}

function missingBelow({ state, logicalVolume }: Volume): readonly string[] {
  const missing = missingPhysicalVolumes(state);
  const used = logicalVolume.segments.flatMap((segment) => segment.areas.map((area) => area.physicalVolume));
  return missing.filter((uuid) => used.includes(uuid));
}
