import { VolumeError } from "../errors.ts";
import type { Programs } from "../host/host.ts";
import type { FilesystemName } from "./names.ts";
import { describeFailure } from "./tool.ts";

/** e2fsck(8): 1 = errors corrected, 2 = corrected, reboot if it was mounted (it is not). Higher bits are failures. */
const E2FSCK_CORRECTED = 0b11;

/**
 * Checks a filesystem whose superblock says that it needs it, while it is not mounted, and corrects what is safe to
 * correct without asking. btrfs has no such step: its own trees tell at mount.
 * @throws VolumeError failedPrecondition when a human must decide; SystemError ENOENT when e2fsck is not installed.
 */
export async function check(
  programs: Pick<Programs, "run">,
  filesystem: FilesystemName,
  devicePath: string,
): Promise<void> {
  if (filesystem === "ext4") await checkExt4(programs, devicePath);
  if (filesystem === "xfs") {
    throw new VolumeError(
      "failedPrecondition",
      `the xfs on ${devicePath} is marked as needing repair: run "xfs_repair ${devicePath}" on the node`,
    );
  }
}

async function checkExt4(programs: Pick<Programs, "run">, devicePath: string): Promise<void> {
  const result = await programs.run("e2fsck", ["-p", "--", devicePath]);
  if ((result.exitCode & ~E2FSCK_CORRECTED) === 0) return;
  throw new VolumeError(
    "failedPrecondition",
    `${describeFailure(`e2fsck -p ${devicePath}`, result)}. ` +
      `Copy what matters, then run "e2fsck -f ${devicePath}" on the node and answer its questions`,
  );
}
