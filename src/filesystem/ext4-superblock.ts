import type { ByteRange } from "../host/host.ts";
import { type FilesystemContents, type OtherContents, other } from "./contents.ts";
import { crc32c } from "./crc32c.ts";
import { type Fields, type ReadBytes, fields, formatUuid } from "./device-bytes.ts";

/** Layout: the kernel's Documentation/filesystems/ext4/super.rst. */
export const EXT4_SUPERBLOCK = { offset: 1024, length: 1024 } satisfies ByteRange;
const MAGIC = 0xef53;

const STATE_VALID = 0x1;
const STATE_ERROR = 0x2;

const COMPAT_HAS_JOURNAL = 0x4;
const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_JOURNAL_DEVICE = 0x8;
const INCOMPAT_64BIT = 0x80;
const RO_COMPAT_METADATA_CSUM = 0x400;
/** What ext3 knows: filetype, recover, meta_bg; sparse_super, large_file, dir_index. Anything more is ext4. */
const INCOMPAT_EXT3 = 0x16;
const RO_COMPAT_EXT3 = 0x7;

/** Byte offsets of the superblock copies in groups 1 and 3, for blocks of 1, 2 and 4 KiB (sparse_super). */
export const EXT4_BACKUPS: readonly number[] = [8193, 24577, 32768, 98304, 131072, 393216].map((kib) => kib * 1024);

/** The ext4 filesystem that starts the device; undefined when there is no trace of one at its place. */
export function readExt4(read: ReadBytes, deviceBytes: number): FilesystemContents | OtherContents | undefined {
  const bytes = read(EXT4_SUPERBLOCK.offset, EXT4_SUPERBLOCK.length);
  if (bytes === undefined) return undefined;
  const superblock = fields(bytes, "little");
  if (superblock.u16(0x38) !== MAGIC) return undefined;
  const generation = generationOf(superblock);
  if (generation === "ext4 external journal") return other(generation);
  const defect = findDefect(bytes, superblock, deviceBytes);
  if (defect !== undefined) return other(`damaged ${generation}: ${defect}`);
  if (generation !== "ext4") return other(generation);
  return {
    kind: "filesystem",
    filesystem: "ext4",
    uuid: formatUuid(bytes.subarray(0x68, 0x78)),
    sizeBytes: sizeOf(superblock),
    everMounted: wasMounted(superblock),
    needsCheck: needsCheck(superblock),
  };
}

/** What is left of an ext2, ext3 or ext4 whose start is gone. */
export function findExt4Backup(read: ReadBytes): OtherContents | undefined {
  for (const offset of EXT4_BACKUPS) {
    const bytes = read(offset, EXT4_SUPERBLOCK.length);
    if (bytes === undefined) continue;
    const copy = fields(bytes, "little");
    const isCopy = copy.u16(0x38) === MAGIC && [1, 3].includes(copy.u16(0x5a)) && copy.u32(0x18) <= 6;
    if (isCopy)
      return other(`damaged ${generationOf(copy)}: only the copy of its superblock at byte ${offset} is left`);
  }
  return undefined;
}

function generationOf(superblock: Fields): "ext2" | "ext3" | "ext4" | "ext4 external journal" {
  const incompat = superblock.u32(0x60);
  if ((incompat & INCOMPAT_JOURNAL_DEVICE) !== 0) return "ext4 external journal";
  if ((incompat & ~INCOMPAT_EXT3) !== 0 || (superblock.u32(0x64) & ~RO_COMPAT_EXT3) !== 0) return "ext4";
  return hasJournal(superblock) ? "ext3" : "ext2";
}

function findDefect(bytes: Uint8Array, superblock: Fields, deviceBytes: number): string | undefined {
  if (superblock.u32(0x18) > 6) return "the block size in its superblock is impossible";
  if (superblock.u32(0) === 0 || superblock.u32(0x20) === 0 || superblock.u32(0x28) === 0 || sizeOf(superblock) === 0) {
    return "its superblock describes no blocks or inodes";
  }
  // Seed and result are not inverted (ext4_superblock_csum in the kernel).
  const isChecksummed = (superblock.u32(0x64) & RO_COMPAT_METADATA_CSUM) !== 0;
  if (isChecksummed && crc32c(0xffffffff, bytes.subarray(0, 0x3fc)) !== superblock.u32(0x3fc)) {
    return "the checksum of its superblock is wrong";
  }
  if (superblock.u16(0x5a) !== 0) return "a copy stands in the place of its superblock";
  const size = sizeOf(superblock);
  return size > deviceBytes ? `it has ${size} bytes, the device only ${deviceBytes}` : undefined;
}

/**
 * How many blocks an ext4 has when it fills its device, or as many as it can number, which the kernel does not check
 * when it grows one. The bytes may be those of a superblock that is just being written: what is read of it never changes.
 */
export function ext4BlocksIn(bytes: Uint8Array, deviceBytes: number): number {
  const superblock = fields(bytes, "little");
  const blocks = Math.floor(deviceBytes / blockBytesOf(superblock));
  return is64bit(superblock) ? blocks : Math.min(blocks, 2 ** 32 - 1);
}

function sizeOf(superblock: Fields): number {
  const blocks = superblock.u32(0x4) + (is64bit(superblock) ? superblock.u32(0x150) * 2 ** 32 : 0);
  return blocks * blockBytesOf(superblock);
}

function blockBytesOf(superblock: Fields): number {
  return 1024 * 2 ** superblock.u32(0x18);
}

function is64bit(superblock: Fields): boolean {
  return (superblock.u32(0x60) & INCOMPAT_64BIT) !== 0;
}

/** mount(2) for writing counts itself and notes the time in the superblock before it returns (ext4_setup_super). */
function wasMounted(superblock: Fields): boolean {
  const mountTime = superblock.u32(0x2c);
  const mountCount = superblock.u16(0x34);
  const lastMountedOn = superblock.u8(0x88);
  const recover = superblock.u32(0x60) & INCOMPAT_RECOVER;
  return mountTime !== 0 || mountCount !== 0 || lastMountedOn !== 0 || recover !== 0;
}

/**
 * The kernel recorded an error, or the state is not "clean": without a journal after a crash; with one only when
 * mkfs, e2fsck or resize2fs was ended in the middle. Replaying a journal is the mount's business.
 */
function needsCheck(superblock: Fields): boolean {
  const state = superblock.u16(0x3a);
  return (state & STATE_ERROR) !== 0 || (state & STATE_VALID) === 0;
}

function hasJournal(superblock: Fields): boolean {
  return (superblock.u32(0x5c) & COMPAT_HAS_JOURNAL) !== 0;
}
