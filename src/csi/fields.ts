import { VolumeError, quote } from "../errors.ts";
import type { SizeRange } from "../volume/room.ts";
import type { CapacityRange__Output } from "./generated/csi/v1/CapacityRange.ts";

/** Limits of the CSI specification, "Size Limits". */
const textBytes = 128;
const mapBytes = 4096;

export function invalid(message: string): VolumeError {
  return new VolumeError("invalidArgument", message);
}

/**
 * A text that the request must have: not empty, at most 128 bytes, no control characters.
 * @throws VolumeError invalidArgument naming the field
 */
export function requiredText(field: string, text: string): string {
  if (text === "") throw invalid(`${field} is missing`);
  const bytes = Buffer.byteLength(text);
  if (bytes > textBytes) throw invalid(`${field} has ${bytes} bytes; at most ${textBytes} are allowed`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw invalid(`${field} ${quote(text)} has control characters`);
  return text;
}

/** A path that the request must have. Where it may lie is checked where it is used. */
export function requiredPath(field: string, path: string): string {
  if (path === "") throw invalid(`${field} is missing`);
  return path;
}

/** @throws VolumeError invalidArgument when keys and values together have more than 4 KiB */
export function checkMap(field: string, map: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const bytes = Object.entries(map).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > mapBytes) throw invalid(`${field} has ${bytes} bytes; at most ${mapBytes} are allowed`);
  return map;
}

/**
 * A capacity range in bytes; absent is "any size".
 * @throws VolumeError invalidArgument for negative, contradictory or empty ranges; outOfRange beyond 2^53 - 1.
 */
export function sizeRange(range: CapacityRange__Output | null): SizeRange {
  if (range === null) return { required: 0, limit: 0 };
  const required = byteCount("capacity_range.required_bytes", range.requiredBytes);
  const limit = byteCount("capacity_range.limit_bytes", range.limitBytes);
  if (required === 0 && limit === 0) throw invalid("capacity_range names neither required_bytes nor limit_bytes");
  if (limit > 0 && limit < required) {
    throw invalid(`capacity_range.limit_bytes ${limit} is below required_bytes ${required}`);
  }
  return { required, limit };
}

/** @throws VolumeError invalidArgument when a count is negative */
export function notNegative(field: string, count: number): number {
  if (count < 0) throw invalid(`${field} is ${count}; it may not be negative`);
  return count;
}

function byteCount(field: string, digits: string | number): number {
  const count = BigInt(digits);
  if (count < 0n) throw invalid(`${field} is ${count}; it may not be negative`);
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new VolumeError("outOfRange", `${field} is ${count}; no volume can be larger than 2^53 - 1 bytes`);
  }
  return Number(count);
}
