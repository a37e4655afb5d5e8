import { VolumeError, quote, showPath } from "../errors.ts";
import { grow, needsGrowth } from "../filesystem/grow.ts";
import type { FilesystemName } from "../filesystem/names.ts";
import type { BlockDevice } from "../host/host.ts";
import { type Context, findVolume, requireOwnId } from "./context.ts";
import { activeDevice, withPrograms } from "./device.ts";
import { inspect } from "./format.ts";
import { isNodeMount, mountsAt, mountsOfDevice, resolvedPath } from "./mounted.ts";
import type { SizeRange } from "./room.ts";

/** A checked NodeExpandVolume. */
export interface NodeExpandRequest {
  readonly id: string;
  readonly volumePath: string;
  readonly range: SizeRange;
  readonly deadline: number | undefined;
}

/**
 * Lets a volume's filesystem fill its device, which ControllerExpandVolume made larger. Raw block has nothing to grow.
 * @returns the volume's size in bytes.
 * @throws VolumeError notFound, also where the volume is not at the path; outOfRange when the device is smaller than
 * required. SystemError, LvmError
 */
export async function nodeExpandVolume(context: Context, request: NodeExpandRequest): Promise<number> {
  const { deadline, ...asked } = request;
  const id = requireOwnId(context, request.id);
  return context.operations.run({
    key: id.logicalVolume,
    request: `node-expand ${JSON.stringify(asked)}`,
    deadline,
    work: () => expandOnNode(context, request),
  });
}

async function expandOnNode(context: Context, request: NodeExpandRequest): Promise<number> {
  const volume = await findVolume(context, request.id);
  const device = await activeDevice(context, volume.group, volume.logicalVolume);
  const { filesystem } = volume.record;
  await assertAtPath(context, device, request);
  assertRange(device.sizeBytes, request.range);
  if (filesystem !== undefined && needsGrowth(await inspect(context, device), device.sizeBytes)) {
    await growFilesystem(context, filesystem, device, await writableMount(context, device));
  }
  return device.sizeBytes;
}

/**
 * Grows a mounted filesystem to the size of its device.
 * @param mountPath where it is mounted writable
 */
export async function growFilesystem(
  context: Context,
  filesystem: FilesystemName,
  device: BlockDevice,
  mountPath: string,
): Promise<void> {
  const mount = (await mountsAt(context, resolvedPath(context, mountPath))).at(-1);
  if (mount === undefined) {
    throw new VolumeError("unavailable", `${showPath(mountPath)} was unmounted when its filesystem was to grow`);
  }
  // The superblock that is read the next time, and by the mount after a power cut, is to be the new one.
  const sync = (): Promise<void> => context.host.mounts.sync(mount.target, mount.id);
  try {
    await withPrograms(context, device, ({ programs }) =>
      grow({ ...context.host, programs }, filesystem, { device, mount }),
    );
  } catch (error) {
    // It may have grown, and failed at something after that.
    await sync().catch(() => {});
    throw error;
  }
  await sync();
}

async function assertAtPath(context: Context, device: BlockDevice, request: NodeExpandRequest): Promise<void> {
  // The kubelet may name the loop device that it puts over a raw block volume.
  if (/^\/dev\/loop\d+$/.test(request.volumePath)) return;
  const targets = (await mountsOfDevice(context, device)).map((mount) => mount.target);
  if (targets.includes(resolvedPath(context, request.volumePath))) return;
  throw new VolumeError("notFound", `volume ${quote(request.id)} is not at volume_path ${quote(request.volumePath)}`);
}

function assertRange(sizeBytes: number, { required, limit }: SizeRange): void {
  if (sizeBytes < required) {
    const advice = "ControllerExpandVolume has to extend the volume first";
    throw new VolumeError("outOfRange", `the volume has ${sizeBytes} bytes, not the ${required} required; ${advice}`);
  }
  if (limit > 0 && sizeBytes > limit) {
    throw new VolumeError("outOfRange", `the volume has ${sizeBytes} bytes, more than the limit of ${limit}`);
  }
}

/** A writable mount of the whole filesystem: growing needs one, and a pod's own may be read-only. */
async function writableMount(context: Context, device: BlockDevice): Promise<string> {
  const below = `${context.host.mounts.kubeletDirectory.resolved}/`;
  const mounts = (await mountsOfDevice(context, device)).filter((mount) => !isNodeMount(mount) && mount.root === "/");
  const writable = mounts.find((mount) => mount.target.startsWith(below) && !mount.options.includes("ro"));
  if (writable !== undefined) return writable.target;
  throw new VolumeError(
    "failedPrecondition",
    "the filesystem is mounted read-only; it grows when it is staged writable",
  );
}
