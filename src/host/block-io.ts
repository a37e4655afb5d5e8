import { randomFillSync } from "node:crypto";
import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { SystemError } from "../errors.ts";
import { Descriptor } from "./descriptor.ts";
import { nodePath } from "./device-node.ts";
import { formatDeviceNumber } from "./device-number.ts";
import type { BlockDevice, ByteRange } from "./host.ts";
import { readMapping } from "./sysfs.ts";
import { discard, dropCached, zeroOut } from "./system-calls.ts";

/** The page cache drops whole pages only; no Linux has greater ones than this. */
const LARGEST_PAGE_BYTES = 64 * 1024;
const SCRAMBLE_CHUNK_BYTES = 1024 ** 2;
/** So much is read at a time where only one thing is asked of it: fresh memory for all of it takes longer than reading. */
const COMPARED_BYTES = 64 * 1024;

export function readDevice(input: { device: BlockDevice; ranges: readonly ByteRange[] }): Uint8Array[] {
  using descriptor = openDevice(input.device, constants.O_RDONLY);
  return readDescriptor({ fd: descriptor.number, ranges: input.ranges });
}

/** Opened for reading, which is all that fdatasync(2) needs: a writer's close(2) wakes udev. */
export function flushDevice(input: { device: BlockDevice }): void {
  using descriptor = openDevice(input.device, constants.O_RDONLY);
  fdatasyncSync(descriptor.number);
}

/** The number of a descriptor that is not closed here. */
export function openExclusive(input: { device: BlockDevice }): number {
  return openDevice(input.device, constants.O_RDWR | constants.O_EXCL).number;
}

export function openShared(input: { device: BlockDevice }): number {
  return openDevice(input.device, constants.O_RDWR).number;
}

export function openHeld(input: { device: BlockDevice }): number {
  return openDevice(input.device, constants.O_RDONLY).number;
}

export function readDescriptor(input: { fd: number; ranges: readonly ByteRange[] }): Uint8Array[] {
  return input.ranges.map((range) => readRange(input.fd, range));
}

export function holdsZeroes({ fd, ranges }: { fd: number; ranges: readonly ByteRange[] }): boolean {
  const bytes = new Uint8Array(COMPARED_BYTES);
  const zeroes = new Uint8Array(COMPARED_BYTES);
  return ranges.every((range) => {
    dropCached(fd, wholePages(range));
    for (let done = 0; done < range.length; done += COMPARED_BYTES) {
      const piece = bytes.subarray(0, Math.min(COMPARED_BYTES, range.length - done));
      readWhole(fd, piece, range.offset + done);
      if (Buffer.compare(piece, zeroes.subarray(0, piece.length)) !== 0) return false;
    }
    return true;
  });
}

export function zeroDescriptor(input: { fd: number; range: ByteRange }): void {
  zeroOut(input.fd, input.range);
}

export function discardDescriptor(input: { fd: number; range: ByteRange }): void {
  discard(input.fd, input.range);
}

export function scrambleDescriptor({ fd, range }: { fd: number; range: ByteRange }): void {
  const chunk = new Uint8Array(Math.min(range.length, SCRAMBLE_CHUNK_BYTES));
  for (let done = 0; done < range.length;) {
    const length = Math.min(chunk.length, range.length - done);
    randomFillSync(chunk, 0, length);
    done += writeSync(fd, chunk, 0, length, range.offset + done);
  }
}

export function flushDescriptor(input: { fd: number }): void {
  fdatasyncSync(input.fd);
}

/** The last close of a device writes its cached pages, so it can take long. */
export function closeDescriptor(input: { fd: number }): void {
  closeSync(input.fd);
}

/**
 * Opens a device's node and makes sure that it is the device described. While it is open its number cannot become
 * another device's, so what is true then stays true.
 * @throws SystemError ESTALE when it is another device; EAGAIN when the device is suspended: whoever read it would hang.
 */
export function openDevice(device: BlockDevice, flags: number): Descriptor {
  refuseSuspended(device);
  const descriptor = new Descriptor(openSync(nodePath(device), flags));
  try {
    verifyDevice(device, descriptor);
    return descriptor;
  } catch (error) {
    descriptor[Symbol.dispose]();
    throw error;
  }
}

/** @throws SystemError ESTALE when what is open is not the device described. */
export function verifyDevice(device: BlockDevice, descriptor: Descriptor): void {
  const status = descriptor.status();
  const number = status.isBlockDevice() ? formatDeviceNumber(status.rdev) : "no block device";
  if (number !== device.number) {
    throw new SystemError("ESTALE", `${nodePath(device)} was ${device.number} and is ${number}`);
  }
  const uuid = readMapping(directoryOf(device))?.uuid;
  if (uuid !== device.mapping?.uuid) {
    throw new SystemError("ESTALE", `${nodePath(device)} was ${device.mapping?.uuid} and is ${uuid}`);
  }
}

function refuseSuspended(device: BlockDevice): void {
  if (readMapping(directoryOf(device))?.suspended === true) {
    throw new SystemError("EAGAIN", `${nodePath(device)} is suspended`);
  }
}

function directoryOf(device: BlockDevice): string {
  return `/sys/dev/block/${device.number}`;
}

function readRange(fd: number, range: ByteRange): Uint8Array {
  dropCached(fd, wholePages(range));
  const bytes = new Uint8Array(range.length);
  readWhole(fd, bytes, range.offset);
  return bytes;
}

/** Fills all of the bytes. @throws SystemError ENODATA when the device ends before that */
function readWhole(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(fd, bytes, done, bytes.length - done, offset + done);
    if (count === 0) {
      throw new SystemError("ENODATA", `the device ends before byte ${offset + bytes.length}`);
    }
    done += count;
  }
}

function wholePages(range: ByteRange): ByteRange {
  const offset = range.offset - (range.offset % LARGEST_PAGE_BYTES);
  const end = Math.ceil((range.offset + range.length) / LARGEST_PAGE_BYTES) * LARGEST_PAGE_BYTES;
  return { offset, length: end - offset };
}
