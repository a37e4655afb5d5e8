import { SystemError, VolumeError, quote } from "../errors.ts";
import type { BlockDevice, FilesystemUsage, MountEntry } from "../host/host.ts";
import { mappingName } from "../lvm/mapping-name.ts";
import { type Condition, diskCondition, mountsCondition, shutDownCondition } from "./condition.ts";
import { type Context, findVolume, ownVolumeId, volumeNotFound } from "./context.ts";
import { isNodeMount, mountsAround } from "./mounted.ts";

/** What NodeGetVolumeStats tells. */
export interface Statistics {
  readonly sizeBytes: number;
  /** Undefined for raw block, and for a filesystem that answers nothing any more. */
  readonly filesystem: FilesystemUsage | undefined;
  readonly condition: Condition;
}

/** The kubelet asks of a pod's volumes in a row: they share a look at the mount table, which names all of them. */
const sharedLookMs = 200;

/**
 * Usage and condition of a volume at a path, without LVM and without a process.
 * @throws VolumeError notFound when the volume does not exist or is not at the path. SystemError
 */
export async function volumeStatistics(context: Context, idText: string, path: string): Promise<Statistics> {
  const device = await deviceOfVolume(context, idText);
  const statistics =
    (await statisticsAt(context, device, path, sharedLookMs)) ?? (await statisticsAt(context, device, path, 0));
  if (statistics !== undefined) return statistics;
  throw new VolumeError("notFound", `volume ${quote(idText)} is not at volume_path ${quote(path)}`);
}

/** Undefined when the volume is not there. An older look than now must be borne out by what is there now. */
async function statisticsAt(
  context: Context,
  device: BlockDevice,
  path: string,
  lookAgeMs: number,
): Promise<Statistics | undefined> {
  const { top: mount, own: mounts, topIsOwn } = await mountsAround(context, device, path, lookAgeMs);
  if (mount === undefined || !topIsOwn) return undefined;
  const { sizeBytes } = device;
  const isOld = lookAgeMs > 0;
  if (isNodeMount(mount)) {
    return isOld ? undefined : { sizeBytes, filesystem: undefined, condition: await diskCondition(context, device) };
  }
  const usage = await usageOf(context, path, mount, isOld);
  if (usage === "moved") return undefined;
  if (usage === "shut down") return { sizeBytes, filesystem: undefined, condition: shutDownCondition(mount) };
  return { sizeBytes, filesystem: usage, condition: await mountsCondition(context, device, mounts) };
}

/** Of the mount that was seen there, or why not. */
async function usageOf(
  context: Context,
  path: string,
  mount: MountEntry,
  isOld: boolean,
): Promise<FilesystemUsage | "shut down" | "moved"> {
  try {
    return await context.host.mounts.usage(path, mount.id);
  } catch (error) {
    const code = error instanceof SystemError ? error.code : "";
    // It was moved away, or something put over it. EIO comes before it is known whether it is the mount that was seen.
    if (["ENOENT", "ELOOP", "ENOTDIR"].includes(code) || (isOld && ["ESTALE", "EIO"].includes(code))) return "moved";
    if (code === "EIO") return "shut down";
    throw error;
  }
}

async function deviceOfVolume(context: Context, idText: string): Promise<BlockDevice> {
  const id = ownVolumeId(context, idText);
  if (id === undefined) throw volumeNotFound(idText);
  const device = await context.host.devices.findMapping(mappingName(id.volumeGroup, id.logicalVolume));
  if (device !== undefined) return device;
  await findVolume(context, idText);
  throw new VolumeError("notFound", `volume ${quote(idText)} is not active, so it is mounted nowhere`);
}
