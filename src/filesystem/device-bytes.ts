import type { ByteRange } from "../host/host.ts";

/** Bytes of a device at an offset; undefined where they were not read, or the device is too short. */
export type ReadBytes = (offset: number, length: number) => Uint8Array | undefined;

/**
 * Finds bytes in what was read of a device.
 * @throws RangeError when a range and its contents differ in length: a short read must never pass for zeroes.
 */
export function deviceBytes(ranges: readonly ByteRange[], contents: readonly Uint8Array[]): ReadBytes {
  if (ranges.length !== contents.length) throw new RangeError("not one result for each range");
  const pieces = ranges.map((range, index) => {
    const bytes = contents[index];
    if (bytes?.length !== range.length) throw new RangeError(`short read at byte ${range.offset}`);
    return { offset: range.offset, bytes };
  });
  return (offset, length) => {
    const piece = pieces.find((each) => offset >= each.offset && offset + length <= each.offset + each.bytes.length);
    return piece?.bytes.subarray(offset - piece.offset, offset - piece.offset + length);
  };
}

/** The offset on the device of the first byte that is not zero; undefined when there is none. */
export function firstNonZero(ranges: readonly ByteRange[], contents: readonly Uint8Array[]): number | undefined {
  for (const [index, range] of ranges.entries()) {
    const position = nonZeroPosition(contents[index] ?? zeroes.subarray(0, 0));
    if (position !== undefined) return range.offset + position;
  }
  return undefined;
}

export function isZero(bytes: Uint8Array): boolean {
  return nonZeroPosition(bytes) === undefined;
}

/** What is compared at once is compared by the C library, a hundred times as fast as byte by byte here. */
const zeroes = new Uint8Array(64 * 1024);

function nonZeroPosition(bytes: Uint8Array): number | undefined {
  for (let start = 0; start < bytes.length; start += zeroes.length) {
    const piece = bytes.subarray(start, start + zeroes.length);
    if (Buffer.compare(piece, zeroes.subarray(0, piece.length)) === 0) continue;
    return start + piece.findIndex((byte) => byte !== 0);
  }
  return undefined;
}

export function startsWith(bytes: Uint8Array | undefined, magic: Uint8Array): boolean {
  return bytes !== undefined && magic.every((byte, index) => bytes[index] === byte);
}

/** Numbers of an on-disk structure. A 64-bit one beyond 2^53 loses its last digits, which no comparison here needs. */
export interface Fields {
  u8(offset: number): number;
  u16(offset: number): number;
  u32(offset: number): number;
  u64(offset: number): number;
}

export function fields(bytes: Uint8Array, order: "little" | "big"): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = order === "little";
  return {
    u8: (offset) => view.getUint8(offset),
    u16: (offset) => view.getUint16(offset, little),
    u32: (offset) => view.getUint32(offset, little),
    u64: (offset) => Number(view.getBigUint64(offset, little)),
  };
}

/** The usual 8-4-4-4-12 hexadecimal form of a 16-byte uuid. */
export function formatUuid(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString("hex");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function isPowerOfTwo(value: number, smallest: number, largest: number): boolean {
  return value >= smallest && value <= largest && Number.isInteger(Math.log2(value));
}
