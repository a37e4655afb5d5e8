import type { ByteRange } from "../host/host.ts";
import { BTRFS_MIRRORS, findBtrfsMirror, readBtrfs } from "./btrfs-superblock.ts";
import { type Contents, foreign, other } from "./contents.ts";
import { type ReadBytes, deviceBytes as bytesOf, firstNonZero } from "./device-bytes.ts";
import { EXT4_BACKUPS, findExt4Backup, readExt4 } from "./ext4-superblock.ts";
import { FAR_SIGNATURES, findSignature } from "./signatures.ts";
import { findXfsCopy, findXfsLogHead, readXfs, xfsCopyOffset } from "./xfs-superblock.ts";

export type { Contents } from "./contents.ts";

/** How much of each end of a device is probed: 2 MiB, where nearly everybody keeps signatures. */
const PROBE_EDGE_BYTES = 2 * 2 ** 20;

/** The size and alignment of a piece that is probed away from the edges: what O_DIRECT takes on every disk. */
const PIECE_BYTES = 4096;

/**
 * What must be read of a device to know what is on it, and must be zero for it to be blank: both ends, and each place
 * farther in where a copy of a superblock or of a LUKS header may survive. Sorted, apart from each other, within the
 * device; at most 4 MiB and a dozen pieces of 4 KiB.
 */
export function probeRanges(deviceBytes: number): readonly ByteRange[] {
  const edges = [
    { offset: 0, length: PROBE_EDGE_BYTES },
    { offset: Math.max(0, deviceBytes - PROBE_EDGE_BYTES), length: PROBE_EDGE_BYTES },
  ];
  const places = [...EXT4_BACKUPS, ...BTRFS_MIRRORS, ...FAR_SIGNATURES, xfsCopyOffset(deviceBytes)];
  return merge([...edges, ...places.map(pieceAt)], deviceBytes);
}

/**
 * What must be read besides, to know whether the filesystem found was ever mounted: for XFS the start of its log.
 * Empty for everything else.
 */
export function furtherRanges(
  deviceBytes: number,
  ranges: readonly ByteRange[],
  contents: readonly Uint8Array[],
): readonly ByteRange[] {
  const read = bytesOf(ranges, contents);
  const head = findXfsLogHead(read, deviceBytes);
  if (head === undefined || read(head.offset, head.length) !== undefined) return [];
  return merge([pieceAt(head.offset)], deviceBytes);
}

/**
 * What is on a device, from what was read of it. A valid ext4, xfs or btrfs counts before any other mark, whose
 * remains may lie beside it; ext4 and xfs before btrfs, whose place at 64 KiB may hold a file's data in theirs.
 * Without the `furtherRanges` an XFS counts as mounted before.
 * @throws RangeError when something that `probeRanges` names is missing, or a range was read short: neither is blank.
 */
export function identify(deviceBytes: number, ranges: readonly ByteRange[], contents: readonly Uint8Array[]): Contents {
  const read = bytesOf(ranges, contents);
  requireCoverage(deviceBytes, ranges);
  const position = firstNonZero(ranges, contents);
  if (position === undefined) return { kind: "blank" };
  const superblocks = readSuperblocks(read, deviceBytes);
  return (
    superblocks.find((each) => each?.kind === "filesystem") ??
    superblocks.find((each) => each !== undefined) ??
    describe(read, deviceBytes) ??
    other(`unrecognised data at byte ${position}`)
  );
}

/**
 * Reads and identifies: `identify` with everything that it can use.
 * @param readRanges the device's reader; its errors pass through, for a device that cannot be read is not blank.
 */
export async function probe(
  deviceBytes: number,
  readRanges: (ranges: readonly ByteRange[]) => Promise<readonly Uint8Array[]>,
): Promise<Contents> {
  const ranges = probeRanges(deviceBytes);
  const contents = await readRanges(ranges);
  const further = furtherRanges(deviceBytes, ranges, contents);
  if (further.length === 0) return identify(deviceBytes, ranges, contents);
  const furtherContents = await readRanges(further);
  return identify(deviceBytes, [...ranges, ...further], [...contents, ...furtherContents]);
}

/** All superblocks of the filesystems that the driver makes lie in the first so many bytes. */
const SUPERBLOCK_BYTES = 128 * 1024;

/**
 * What is on a device that should carry a filesystem: its start alone tells where that is so, and a whole `probe` where
 * it is not. Whether an XFS was ever mounted is not asked: it counts as mounted.
 */
export async function probeFilesystem(
  deviceBytes: number,
  readRanges: (ranges: readonly ByteRange[]) => Promise<readonly Uint8Array[]>,
): Promise<Contents> {
  const ranges = [{ offset: 0, length: Math.min(SUPERBLOCK_BYTES, deviceBytes) }];
  const read = bytesOf(ranges, await readRanges(ranges));
  const found = readSuperblocks(read, deviceBytes).find((each) => each?.kind === "filesystem");
  return found ?? probe(deviceBytes, readRanges);
}

function readSuperblocks(read: ReadBytes, deviceBytes: number): readonly (Contents | undefined)[] {
  return [readExt4(read, deviceBytes), readXfs(read, deviceBytes), readBtrfs(read, deviceBytes)];
}

function describe(read: ReadBytes, deviceBytes: number): Contents | undefined {
  const signature = findSignature(read, deviceBytes);
  if (signature !== undefined) return foreign(signature);
  return findExt4Backup(read) ?? findBtrfsMirror(read) ?? findXfsCopy(read, deviceBytes);
}

function requireCoverage(deviceBytes: number, ranges: readonly ByteRange[]): void {
  const missing = probeRanges(deviceBytes).find(
    (wanted) =>
      !ranges.some(
        (range) => range.offset <= wanted.offset && range.offset + range.length >= wanted.offset + wanted.length,
      ),
  );
  if (missing !== undefined) throw new RangeError(`byte ${missing.offset} of the device was not read`);
}

function pieceAt(offset: number): ByteRange {
  return { offset: Math.floor(offset / PIECE_BYTES) * PIECE_BYTES, length: PIECE_BYTES };
}

/** The same bytes as ranges that are sorted, do not touch and end with the device. */
function merge(ranges: readonly ByteRange[], deviceBytes: number): readonly ByteRange[] {
  const merged: ByteRange[] = [];
  for (const { offset, length } of ranges.toSorted((left, right) => left.offset - right.offset)) {
    const end = Math.min(offset + length, deviceBytes);
    const last = merged.at(-1);
    if (last !== undefined && offset <= last.offset + last.length) {
      merged[merged.length - 1] = { offset: last.offset, length: Math.max(last.length, end - last.offset) };
    } else if (offset < end) {
      merged.push({ offset, length: end - offset });
    }
  }
  return merged;
}
