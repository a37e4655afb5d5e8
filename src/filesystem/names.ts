/** The filesystems that the driver makes, mounts and grows, by the kernel's names. */
export type FilesystemName = "ext4" | "xfs" | "btrfs";

const MEBIBYTE = 2 ** 20;

/**
 * ext4: mkfs.ext4 1.47 makes a journal from 8 MiB on with its 4 KiB blocks, but then half of the 8 MiB is journal;
 * at 16 MiB 11 MiB are free. xfs: mkfs.xfs refuses less than 300 MiB since xfsprogs 5.19 (mkfs.xfs(8)). btrfs:
 * mkfs.btrfs 6.2 with its default profiles refuses 108 MiB and makes 109 MiB, found by trying each size.
 * `test/kernel/filesystem-life.test.ts` makes, mounts and fills each.
 */
const MINIMUM_BYTES: Readonly<Record<FilesystemName, number>> = {
  ext4: 16 * MEBIBYTE,
  xfs: 300 * MEBIBYTE,
  btrfs: 109 * MEBIBYTE,
};

export const filesystemNames: readonly FilesystemName[] = ["ext4", "xfs", "btrfs"];

export function isFilesystemName(text: string): text is FilesystemName {
  return Object.hasOwn(MINIMUM_BYTES, text);
}

/** The smallest device in bytes on which the filesystem is made with the driver's own options. */
export function minimumBytes(filesystem: FilesystemName): number {
  return MINIMUM_BYTES[filesystem];
}

/** The smallest device in bytes that the filesystem can be grown to: below, the kernel refuses btrfs with EINVAL. */
export function minimumGrownBytes(filesystem: FilesystemName): number {
  return filesystem === "btrfs" ? 256 * MEBIBYTE : 0;
}
