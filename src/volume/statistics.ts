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

/** The kubelet asks of all volumes of a node in a row: they share a look at the mount table, which names all of them. */
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
  if (isNodeMount(mount)) {
    if (lookAgeMs > 0) return undefined;
    return { sizeBytes, filesystem: undefined, condition: await diskCondition(context, device) };
  }
  try {
    const filesystem = await usageUnlessShutDown(context, path, mount);
    if (filesystem === undefined) return { sizeBytes, filesystem, condition: shutDownCondition(mount) };
    return { sizeBytes, filesystem, condition: await mountsCondition(context, device, mounts) };
  } catch (error) {
    // It was moved away, or something put over it, since the mount table was read.
    const gone = ["ENOENT", "ELOOP", "ENOTDIR", ...(lookAgeMs > 0 ? ["ESTALE"] : [])];
    if (error instanceof SystemError && gone.includes(error.code)) return undefined;
    throw error;
  }
}

async function usageUnlessShutDown(
  context: Context,
  path: string,
  mount: MountEntry,
): Promise<FilesystemUsage | undefined> {
  try {
    return await context.host.mounts.usage(path, mount.id);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EIO") return undefined;
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
