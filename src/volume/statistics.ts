import { VolumeError, quote } from "../errors.ts";
import type { BlockDevice, FilesystemUsage } from "../host/host.ts";
import { mappingName } from "../lvm/mapping-name.ts";
import { type Condition, deviceCondition, mountCondition } from "./condition.ts";
import { type Context, findVolume, ownVolumeId, volumeNotFound } from "./context.ts";
import { isNodeMount, mountsAt, mountsOfDevice } from "./mounted.ts";

/** What NodeGetVolumeStats tells; raw block has no usage but its size. */
export interface Statistics {
  readonly sizeBytes: number;
  readonly filesystem: FilesystemUsage | undefined;
  readonly condition: Condition;
}

/**
 * Usage and condition of a volume at a path, without LVM and without a process.
 * @throws VolumeError notFound when the volume does not exist or is not at the path. SystemError
 */
export async function volumeStatistics(context: Context, idText: string, path: string): Promise<Statistics> {
  const device = await deviceOfVolume(context, idText);
  const mount = (await mountsAt(context, path)).at(-1);
  const own = mount !== undefined && (await mountsOfDevice(context, device)).some((entry) => entry.id === mount.id);
  if (!own) throw notThere(idText, path);
  if (isNodeMount(mount)) {
    return { sizeBytes: device.sizeBytes, filesystem: undefined, condition: deviceCondition(device) };
  }
  const usage = await context.host.mounts.usage(path, mount.id);
  return { sizeBytes: device.sizeBytes, filesystem: usage, condition: mountCondition(device, mount) };
}

async function deviceOfVolume(context: Context, idText: string): Promise<BlockDevice> {
  const id = ownVolumeId(context, idText);
  if (id === undefined) throw volumeNotFound(idText);
  const device = await context.host.devices.findMapping(mappingName(id.volumeGroup, id.logicalVolume));
  if (device !== undefined) return device;
  await findVolume(context, idText);
  throw new VolumeError("notFound", `volume ${quote(idText)} is not active, so it is mounted nowhere`);
}

function notThere(idText: string, path: string): VolumeError {
  return new VolumeError("notFound", `volume ${quote(idText)} is not at volume_path ${quote(path)}`);
}
