import { VolumeError } from "../errors.ts";
import type { BlockDevice, Devices, MountEntry, Mounts, Programs } from "../host/host.ts";
import type { Contents } from "./contents.ts";
import { EXT4_SUPERBLOCK, ext4BlocksIn } from "./ext4-superblock.ts";
import { type FilesystemName, minimumGrownBytes } from "./names.ts";
import { describeFailure } from "./tool.ts";

/** What of the machine growing needs. */
export interface GrowHost {
  readonly devices: Pick<Devices, "read">;
  readonly mounts: Pick<Mounts, "growExt4">;
  readonly programs: Pick<Programs, "run">;
}

export interface GrowTarget {
  readonly device: BlockDevice;
  /** A mount of the device for writing. */
  readonly mount: Pick<MountEntry, "id" | "target">;
}

/** Less than the smallest allocation group of XFS (64 blocks of 4 KiB) behind a filesystem cannot be used by it. */
const SLACK_BYTES = 256 * 1024;

/**
 * Grows a mounted filesystem until it fills its device; one that does already is left as it is.
 * @throws VolumeError internal with the last words of the program; SystemError of the kernel, ENOENT when the program
 * is not installed
 */
export async function grow(host: GrowHost, filesystem: FilesystemName, { device, mount }: GrowTarget): Promise<void> {
  switch (filesystem) {
    case "ext4":
      return growExt4(host, { device, mount });
    case "xfs":
      return run(host, ["xfs_growfs", "-d", "--", mount.target]);
    case "btrfs":
      return run(host, ["btrfs", "filesystem", "resize", "--", "max", mount.target]);
  }
}

/**
 * Whether `grow` is worth a process. ext4 leaves up to some MiB unused when they do not make a block group, and then
 * this stays true; `grow` then changes nothing. Neither does it for a superblock that was caught half written, as
 * happens under a mounted filesystem, and is therefore taken for something else.
 */
export function needsGrowth(contents: Contents, deviceBytes: number): boolean {
  if (contents.kind !== "filesystem") return contents.kind === "other";
  // somebody else may have extended a btrfs to less than it can be grown to; it is good as it is
  if (deviceBytes < minimumGrownBytes(contents.filesystem)) return false;
  return deviceBytes - contents.sizeBytes >= SLACK_BYTES;
}

/**
 * Without resize2fs, which takes the first mount of the device in the mount table, a pod's read-only one for instance,
 * and then does no more than this with it (e2fsprogs, resize/online.c).
 */
async function growExt4({ devices, mounts }: GrowHost, { device, mount }: GrowTarget): Promise<void> {
  const [superblock = new Uint8Array()] = await devices.read(device, [EXT4_SUPERBLOCK]);
  await mounts.growExt4(mount.target, mount.id, ext4BlocksIn(superblock, device.sizeBytes));
}

async function run({ programs }: GrowHost, [program, ...args]: readonly [string, ...string[]]): Promise<void> {
  const result = await programs.run(program, args);
  if (result.exitCode !== 0) throw new VolumeError("internal", describeFailure([program, ...args].join(" "), result));
}
