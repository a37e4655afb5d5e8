import { createHash } from "node:crypto";
import { type FilesystemContents, type OtherContents, other } from "./contents.ts";
import { crc32c } from "./crc32c.ts";
import { type Fields, type ReadBytes, fields, formatUuid, isPowerOfTwo, startsWith } from "./device-bytes.ts";

/** Layout: struct btrfs_super_block in include/uapi/linux/btrfs_tree.h. */
const PRIMARY = 65536;
const LENGTH = 4096;
const MAGIC_OFFSET = 0x40;
const MAGIC = Buffer.from("_BHRfS_M", "latin1");
/** What mkfs.btrfs writes until it is done. */
const MAGIC_UNFINISHED = Buffer.from("!BHRfS_M", "latin1");

/** Byte offsets of the mirrors of the superblock (btrfs(5)). */
export const BTRFS_MIRRORS: readonly number[] = [64 * 2 ** 20, 256 * 2 ** 30];

/** The btrfs on the device; undefined when there is no trace of one at its place. */
export function readBtrfs(read: ReadBytes, deviceBytes: number): FilesystemContents | OtherContents | undefined {
  const bytes = read(PRIMARY, LENGTH);
  const magic = bytes?.subarray(MAGIC_OFFSET);
  if (bytes === undefined || magic === undefined) return undefined;
  if (startsWith(magic, MAGIC_UNFINISHED)) return other("unfinished btrfs: mkfs.btrfs was ended before it was done");
  if (!startsWith(magic, MAGIC)) return undefined;
  const superblock = fields(bytes, "little");
  const defect = findDefect(bytes, superblock);
  if (defect !== undefined) return other(`damaged btrfs: ${defect}`);
  if (superblock.u64(0x88) !== 1) return other(`btrfs on ${superblock.u64(0x88)} devices`);
  const sizeBytes = superblock.u64(0x70);
  if (sizeBytes > deviceBytes) return other(`damaged btrfs: it has ${sizeBytes} bytes, the device only ${deviceBytes}`);
  return {
    kind: "filesystem",
    filesystem: "btrfs",
    uuid: formatUuid(bytes.subarray(0x20, 0x30)),
    sizeBytes,
    everMounted: wasMounted(superblock),
    needsCheck: false,
  };
}

/** What is left of a btrfs whose first superblock is gone. */
export function findBtrfsMirror(read: ReadBytes): OtherContents | undefined {
  const offset = BTRFS_MIRRORS.find((each) => startsWith(read(each + MAGIC_OFFSET, MAGIC.length), MAGIC));
  return offset === undefined
    ? undefined
    : other(`damaged btrfs: only the mirror of its superblock at byte ${offset} is left`);
}

function findDefect(bytes: Uint8Array, superblock: Fields): string | undefined {
  if (!isChecksumRight(bytes, superblock)) return "the checksum of its superblock is wrong";
  if (superblock.u64(0x30) !== PRIMARY) return "a mirror stands in the place of its superblock";
  if (!isPowerOfTwo(superblock.u32(0x90), 4096, 65536) || !isPowerOfTwo(superblock.u32(0x94), 4096, 65536)) {
    return "the sector or node size in its superblock is impossible";
  }
  return superblock.u64(0x70) === 0 ? "its superblock describes no bytes" : undefined;
}

/**
 * The checksum stands before what it covers. xxhash and blake2 with 32 bytes are not in node:crypto: there the other
 * checks must do, and the kernel verifies at mount.
 */
function isChecksumRight(bytes: Uint8Array, superblock: Fields): boolean {
  const covered = bytes.subarray(0x20);
  switch (superblock.u16(0xc4)) {
    case 0:
      return (crc32c(0xffffffff, covered) ^ 0xffffffff) >>> 0 === superblock.u32(0);
    case 2:
      return startsWith(bytes, createHash("sha256").update(covered).digest());
    default:
      return superblock.u16(0xc4) <= 3;
  }
}

/** BTRFS_FEATURE_INCOMPAT_BIG_METADATA: what a mounting kernel adds where a node is larger than a page of memory. */
const BIG_METADATA = 0x20;

/** Where the last four commits noted the roots of their trees (struct btrfs_root_backup). */
const BACKUPS = [0, 1, 2, 3].map((index) => 0xb2b + index * 0xa8);

/**
 * mkfs.btrfs leaves none of these signs. A commit of the kernel makes uuid_tree_generation equal to its generation, but
 * only once a kernel thread has looked through the uuid tree: a mount that ends before that leaves the device tree, to
 * which its first commit adds the device's statistics, newer than the chunk tree, with which alone mkfs.btrfs writes it,
 * and most kernels leave the flag too. An fsync before any commit points log_root at its log.
 */
function wasMounted(superblock: Fields): boolean {
  const logRoot = superblock.u64(0x60);
  const incompatibleFeatures = superblock.u32(0xbc);
  const uuidTreeGeneration = superblock.u64(0x233);
  return (
    logRoot !== 0 ||
    uuidTreeGeneration !== 0 ||
    (incompatibleFeatures & BIG_METADATA) !== 0 ||
    BACKUPS.some((backup) => superblock.u64(backup + 72) !== superblock.u64(backup + 24))
  );
}
