import type { BlockDevice, MountEntry } from "../host/host.ts";
import type { Context, Volume } from "./context.ts";
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
  // Not named by uuid: who knows the uuids of a group's physical volumes could forge one.
  if (lacksDisk(volume)) {
    return abnormal(`a physical volume of volume group ${volume.state.name} that it lies on is missing; see pvs`);
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

function abnormal(message: string): Condition {
  return { abnormal: true, message };
}

function lacksDisk({ state, logicalVolume }: Volume): boolean {
  const used = new Set(logicalVolume.segments.flatMap(({ areas }) => areas.map((area) => area.physicalVolume)));
  return missingPhysicalVolumes(state).some((uuid) => used.has(uuid));
}
