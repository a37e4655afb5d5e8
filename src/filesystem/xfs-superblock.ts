import type { ByteRange } from "../host/host.ts";
import { type FilesystemContents, type OtherContents, other } from "./contents.ts";
import { crc32c } from "./crc32c.ts";
import { type Fields, type ReadBytes, fields, formatUuid, isPowerOfTwo, isZero, startsWith } from "./device-bytes.ts";

/** Layout: "XFS Algorithms & Data Structures", superblocks; big-endian but for the checksum. */
const MAGIC = Buffer.from("XFSB", "latin1");
const FIELDS_BYTES = 272;
const CHECKSUM = { offset: 224, length: 4 };
const INCOMPAT_NEEDS_REPAIR = 0x10;
const BLOCK = 512;

/** mkfs.xfs makes four allocation groups on devices below 4 TiB, each starting with a copy of the superblock. */
export function xfsCopyOffset(deviceBytes: number): number {
  return Math.ceil(deviceBytes / 4 / 4096) * 4096;
}

/** The XFS that starts the device; undefined when there is no trace of one at its place. */
export function readXfs(read: ReadBytes, deviceBytes: number): FilesystemContents | OtherContents | undefined {
  const superblock = findSuperblock(read);
  if (superblock === undefined) return undefined;
  const defect = findDefect(superblock, read, deviceBytes);
  if (defect !== undefined) return other(`damaged xfs: ${defect}`);
  if (superblock.u8(126) !== 0) return other("unfinished xfs: mkfs.xfs was ended before it was done");
  return {
    kind: "filesystem",
    filesystem: "xfs",
    uuid: formatUuid(read(32, 16) ?? new Uint8Array(16)),
    sizeBytes: sizeOf(superblock),
    everMounted: wasMounted(superblock, read),
    needsCheck: isVersion5(superblock) && (superblock.u32(216) & INCOMPAT_NEEDS_REPAIR) !== 0,
  };
}

/** What is left of an XFS whose start is gone. */
export function findXfsCopy(read: ReadBytes, deviceBytes: number): OtherContents | undefined {
  const offset = xfsCopyOffset(deviceBytes);
  if (offset === 0 || !startsWith(read(offset, MAGIC.length), MAGIC)) return undefined;
  return other(`damaged xfs: only the copy of its superblock at byte ${offset} is left`);
}

/**
 * Where an XFS keeps the sector that tells whether it was ever mounted: mkfs.xfs leaves one unmount record at the
 * start of a log that is zero behind it, and mount(2), even read-only, first writes right behind that record
 * (xlog_clear_stale_blocks). Undefined when there is no XFS, or its log is on another device.
 */
export function findXfsLogHead(read: ReadBytes, deviceBytes: number): ByteRange | undefined {
  const superblock = findSuperblock(read);
  if (superblock === undefined || findDefect(superblock, read, deviceBytes) !== undefined) return undefined;
  const start = superblock.u64(48);
  if (start === 0) return undefined;
  const groupBits = superblock.u8(124);
  const group = Math.floor(start / 2 ** groupBits);
  const block = group * superblock.u32(84) + (start % 2 ** groupBits);
  // The record fills one log stripe unit; 0 and 1 stand for none, and then it is a header and one sector.
  const stripeUnit = superblock.u32(196);
  const offset = block * superblock.u32(4) + Math.max(2 * BLOCK, stripeUnit);
  return offset + BLOCK <= deviceBytes ? { offset, length: BLOCK } : undefined;
}

function findSuperblock(read: ReadBytes): Fields | undefined {
  const bytes = read(0, FIELDS_BYTES);
  return bytes !== undefined && startsWith(bytes, MAGIC) ? fields(bytes, "big") : undefined;
}

function findDefect(superblock: Fields, read: ReadBytes, deviceBytes: number): string | undefined {
  const version = superblock.u16(100) & 0xf;
  if (version !== 4 && version !== 5) return `version ${version} is unknown`;
  if (!isPowerOfTwo(superblock.u32(4), 512, 65536) || !isPowerOfTwo(superblock.u16(102), 512, 32768)) {
    return "the block or sector size in its superblock is impossible";
  }
  const groupCounts = [superblock.u32(84), superblock.u32(88), sizeOf(superblock)];
  if (superblock.u8(124) > 31 || groupCounts.includes(0)) {
    return "its superblock describes no blocks";
  }
  if (version === 5 && !isChecksumRight(read, superblock.u16(102))) return "the checksum of its superblock is wrong";
  const size = sizeOf(superblock);
  return size > deviceBytes ? `it has ${size} bytes, the device only ${deviceBytes}` : undefined;
}

/** CRC-32C over the sector with the checksum taken as zero. */
function isChecksumRight(read: ReadBytes, sectorBytes: number): boolean {
  const sector = read(0, sectorBytes);
  if (sector === undefined) return false;
  const end = CHECKSUM.offset + CHECKSUM.length;
  let checksum = crc32c(0xffffffff, sector.subarray(0, CHECKSUM.offset));
  checksum = crc32c(checksum, new Uint8Array(CHECKSUM.length));
  checksum = crc32c(checksum, sector.subarray(end));
  return (checksum ^ 0xffffffff) >>> 0 === fields(sector, "little").u32(CHECKSUM.offset);
}

function isVersion5(superblock: Fields): boolean {
  return (superblock.u16(100) & 0xf) === 5;
}

function sizeOf(superblock: Fields): number {
  return superblock.u64(8) * superblock.u32(4);
}

/** The first clean unmount gives the superblock its log sequence number; before that only the log tells. */
function wasMounted(superblock: Fields, read: ReadBytes): boolean {
  if (!isVersion5(superblock) || superblock.u64(240) !== 0) return true;
  const head = findXfsLogHead(read, Number.POSITIVE_INFINITY);
  const sector = head === undefined ? undefined : read(head.offset, head.length);
  return sector === undefined || !isZero(sector);
}
