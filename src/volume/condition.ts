import { SystemError, VolumeError } from "../errors.ts";
import type { BlockDevice, Devices, MountEntry, Mounts } from "../host/host.ts";
import type { Context, Volume } from "./context.ts";
import { answerInTime } from "./deadline.ts";
import { findDevice } from "./device.ts";
import { isNodeMount } from "./mounted.ts";
import { missingPhysicalVolumes } from "./room.ts";

/** CSI's VolumeCondition. */
export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

/** What of the host is asked about a volume that is in use. */
interface Asked {
  readonly host: {
    readonly devices: Pick<Devices, "checkDisk">;
    readonly mounts: Pick<Mounts, "ext4Errors">;
  };
}

const normal: Condition = { abnormal: false, message: "the volume is in order" };

/** Longer than a disk takes that is only busy, and well below what the kubelet waits (2 minutes). */
const patienceMs = 10_000;

/** What a disk that fails or has gone answers (open(2), read(2)). EAGAIN: too many calls wait for it already. */
const diskFailures: ReadonlySet<string> = new Set(["EIO", "ENXIO", "ENODEV", "ENODATA", "EAGAIN"]);

/** How Linux 6.15 and later mark an ext4 that stopped writing, where older ones made it "ro" (fs/ext4/super.c). */
const troubleOptions: readonly string[] = ["emergency_ro", "shutdown"];

/** The condition as far as LVM's metadata and sysfs tell. */
export async function conditionOf(context: Context, volume: Volume): Promise<Condition> {
  // Not named by uuid: who knows the uuids of a group's physical volumes could forge one.
  if (lacksDisk(volume)) {
    return abnormal(`a physical volume of volume group ${volume.state.name} that it lies on is missing; see pvs`);
  }
  if (volume.record.state === "removing") return abnormal("the volume is being wiped and removed");
  try {
    const device = await findDevice(context, volume.logicalVolume);
    if (device === undefined) return abnormal("the logical volume is not active; staging it activates it");
    return suspension(device) ?? normal;
  } catch (error) {
    // Another device has its name: that is this volume's condition, and no reason to list none at all.
    if (error instanceof VolumeError) return abnormal(error.message);
    throw error;
  }
}

/** The condition of a device that is in use: its disk is asked for a small read. @throws SystemError */
export async function diskCondition(context: Asked, device: BlockDevice): Promise<Condition> {
  return suspension(device) ?? (await diskFailure(context, device)) ?? normal;
}

/**
 * The condition of a mounted filesystem, told from all mounts of its device: one mount that is read-only cannot tell
 * whether that was asked for. @throws SystemError
 */
export async function mountsCondition(
  context: Asked,
  device: BlockDevice,
  mounts: readonly MountEntry[],
): Promise<Condition> {
  const trouble = mounts.filter((mount) => !isNodeMount(mount)).find(isInTrouble);
  if (trouble !== undefined) return abnormal(`${trouble.type} was made read-only after an error; see the kernel log`);
  const errors = await context.host.mounts.ext4Errors(device);
  if (errors > 0) {
    return abnormal(`ext4 errors since its last check: ${errors}; see the kernel log. The next stage checks it`);
  }
  return diskCondition(context, device);
}

/** The condition of a mounted filesystem that answers EIO to everything. */
export function shutDownCondition({ type }: MountEntry): Condition {
  return abnormal(`${type} answers EIO: it was shut down after an error, or its disk failed; see the kernel log`);
}

function isInTrouble({ options, superOptions }: MountEntry): boolean {
  const madeReadOnly = superOptions.includes("ro") && !options.includes("ro");
  return madeReadOnly || troubleOptions.some((option) => superOptions.includes(option));
}

function suspension(device: BlockDevice): Condition | undefined {
  if (device.mapping?.suspended !== true) return undefined;
  return abnormal("the device is suspended and answers nothing; the driver resumes it within a minute");
}

async function diskFailure(context: Asked, device: BlockDevice): Promise<Condition | undefined> {
  const late = (): VolumeError =>
    new VolumeError("deadlineExceeded", `the disk has not answered a read for ${patienceMs / 1000} s`);
  const limit = { deadline: Date.now() + patienceMs, aheadMs: 0, late };
  try {
    await answerInTime(context.host.devices.checkDisk(device), limit);
    return undefined;
  } catch (error) {
    if (error instanceof VolumeError) return abnormal(error.message);
    if (!(error instanceof SystemError) || !diskFailures.has(error.code)) throw error;
    return abnormal(`the disk cannot be read: ${error.message}; see the kernel log`);
  }
}

function abnormal(message: string): Condition {
  return { abnormal: true, message };
}

function lacksDisk({ state, logicalVolume }: Volume): boolean {
  const used = new Set(logicalVolume.segments.flatMap(({ areas }) => areas.map((area) => area.physicalVolume)));
  return missingPhysicalVolumes(state).some((uuid) => used.has(uuid));
}
