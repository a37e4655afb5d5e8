import { VolumeError } from "../errors.ts";
import type { Programs } from "../host/host.ts";
import type { Contents } from "./contents.ts";
import { type FilesystemName, minimumGrownBytes } from "./names.ts";
import { describeFailure } from "./tool.ts";

export interface GrowTarget {
  readonly devicePath: string;
  /** Where the device is mounted for writing. */
  readonly mountPath: string;
}

/** Less than the smallest allocation group of XFS (64 blocks of 4 KiB) behind a filesystem cannot be used by it. */
const SLACK_BYTES = 256 * 1024;

/**
 * Grows a mounted filesystem until it fills its device; one that does already is left as it is.
 * @throws VolumeError internal with the last words of the program; SystemError ENOENT when it is not installed.
 */
export async function grow(
  programs: Pick<Programs, "run">,
  filesystem: FilesystemName,
  target: GrowTarget,
): Promise<void> {
  const [program, ...args] = COMMANDS[filesystem](target);
  const result = await programs.run(program, args);
  if (result.exitCode !== 0) throw new VolumeError("internal", describeFailure([program, ...args].join(" "), result));
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

const COMMANDS: Readonly<Record<FilesystemName, (target: GrowTarget) => readonly [string, ...string[]]>> = {
  ext4: ({ devicePath }) => ["resize2fs", "--", devicePath],
  xfs: ({ mountPath }) => ["xfs_growfs", "-d", "--", mountPath],
  btrfs: ({ mountPath }) => ["btrfs", "filesystem", "resize", "--", "max", mountPath],
};
