import { SystemError, VolumeError } from "../errors.ts";
import { nodePath } from "../host/device-node.ts";
import type { BlockDevice, Programs, WritableDevice } from "../host/host.ts";
import type { LogicalVolume } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import type { Context } from "./context.ts";

/**
 * The logical volume's device, made active if it is not, and brought to what the metadata say if a command that was
 * interrupted left it suspended, without a table, or with the one from before the volume was extended.
 * @throws VolumeError unavailable when the device does not come up; LvmError
 */
export async function activeDevice(context: Context, group: VolumeGroup, volume: LogicalVolume): Promise<BlockDevice> {
  let device = await findDevice(context, volume);
  if (device === undefined || device.sizeBytes === 0) {
    context.log.info({ volume: volume.name }, "activating");
    await group.activate(volume.name);
    device = await findDevice(context, volume);
  }
  if (device !== undefined && isBehind(device, volume)) {
    context.log.warn({ volume: volume.name }, "resuming a device that is suspended or smaller than its volume");
    await group.refresh(volume.name);
    device = await findDevice(context, volume);
  }
  if (device === undefined || isBehind(device, volume)) {
    const state = device === undefined ? "missing" : "suspended, or smaller than it should be";
    throw new VolumeError(
      "unavailable",
      `the device of ${volume.name} stays ${state}; see dmsetup info and the kernel log`,
    );
  }
  return device;
}

/** Not where it is larger: then the volume has been extended since its metadata were read. */
function isBehind(device: BlockDevice, volume: LogicalVolume): boolean {
  return device.mapping?.suspended === true || device.sizeBytes < volume.sizeBytes;
}

/**
 * The logical volume's device as sysfs knows it; undefined while the volume is inactive.
 * @throws VolumeError unavailable when another volume's device has its name.
 */
export async function findDevice(context: Context, volume: LogicalVolume): Promise<BlockDevice | undefined> {
  const device = await context.host.devices.findMapping(volume.mappingName);
  if (device !== undefined && device.mapping?.uuid !== volume.mappingUuid) {
    throw new VolumeError(
      "unavailable",
      `device ${volume.mappingName} has uuid ${device.mapping?.uuid} where ${volume.mappingUuid} belongs; ` +
        `it is left of another volume group of that name: end its users and remove it with dmsetup remove`,
    );
  }
  return device;
}

/**
 * Does work on a device that nobody else has in use. EBUSY means that it is mounted, or that a program of an earlier
 * run is still at work on it: nothing is touched.
 * @throws VolumeError of the kind given for a busy device.
 */
export async function withExclusive<Result>(
  context: Context,
  device: BlockDevice,
  busy: VolumeError,
  work: (exclusive: WritableDevice) => Promise<Result>,
): Promise<Result> {
  const exclusive = await context.host.devices.openExclusive(device).catch((error: unknown) => {
    throw error instanceof SystemError && error.code === "EBUSY" ? busy : error;
  });
  try {
    return await work(exclusive);
  } finally {
    await exclusive.close();
  }
}

/** What a program that works on a device is given. */
export interface ProgramDevice {
  /** Runs programs that hold a lock on the device for as long as they live, whether or not this process does. */
  readonly programs: Pick<Programs, "run">;
  /** The path of the device's node. */
  readonly path: string;
}

/**
 * Does work with programs on a device. It is kept open from before it is looked at until the last program has ended:
 * an open device can be neither deactivated nor its number given to another, whose node the path would then be.
 * @throws VolumeError aborted when a program of an earlier run is still at work on the device
 */
export async function withPrograms<Result>(
  context: Context,
  device: BlockDevice,
  work: (given: ProgramDevice) => Promise<Result>,
): Promise<Result> {
  const held = await context.host.devices.hold(device);
  try {
    const run: Programs["run"] = (file, args) => context.host.programs.run(file, args, held);
    return await work({ programs: { run }, path: nodePath(device) });
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
    const reason = `a program of an earlier run is still at work on ${nodePath(device)}`;
    throw new VolumeError("aborted", `${reason}; try again when it has ended`, { cause: error });
  } finally {
    await held.close();
  }
}
