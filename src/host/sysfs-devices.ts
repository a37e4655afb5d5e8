import { lstatSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import { SystemError } from "../errors.ts";
import type { BlockDevice } from "./host.ts";
import { hasCode } from "./error-code.ts";
import { namesIn, readAttribute, readMapping } from "./sysfs.ts";

/** Block devices as sysfs describes them, in the directory where it is mounted. All of it is in memory. */

const SECTOR_BYTES = 512;

/** The device with that "major:minor". @throws SystemError EINVAL when it is no such number */
export function findNumber(sysfs: string, number: string): BlockDevice | undefined {
  if (!/^\d+:\d+$/.test(number)) {
    throw new SystemError("EINVAL", `"${number}" is not a device number`);
  }
  try {
    const device = describeDevice(sysfs, basename(readlinkSync(`${sysfs}/dev/block/${number}`)));
    return device?.number === number ? device : undefined;
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      return undefined;
    }
    throw error;
  }
}

/** Undefined when the device has gone meanwhile. */
export function describeDevice(sysfs: string, kernelName: string): BlockDevice | undefined {
  const directory = `${sysfs}/class/block/${kernelName}`;
  const number = readAttribute(`${directory}/dev`);
  const sectors = readAttribute(`${directory}/size`);
  if (number === undefined || sectors === undefined) {
    return undefined;
  }
  const mapping = readMapping(directory);
  // It is going, or just coming, and must not be taken for a device of another kind.
  if (mapping === undefined && kernelName.startsWith("dm-")) return undefined;
  return {
    name: kernelName,
    number,
    sizeBytes: Number(sectors) * SECTOR_BYTES,
    holders: namesIn(`${directory}/holders`),
    mapping,
    backingFile: kernelName.startsWith("loop") ? backingFileOf(directory) : undefined,
  };
}

/** A loop device without a file has no such directory, which is told more cheaply than by an exception. */
function backingFileOf(directory: string): string | undefined {
  const isBacked = statSync(`${directory}/loop`, { throwIfNoEntry: false }) !== undefined;
  return isBacked ? readAttribute(`${directory}/loop/backing_file`) : undefined;
}

export function kernelNames(sysfs: string): readonly string[] {
  return readdirSync(`${sysfs}/class/block`);
}

/**
 * Of the device's entry in sysfs: the next device that gets its name in the kernel has another one (fs/kernfs/dir.c,
 * __kernfs_new_node). Undefined when there is no such device any more.
 */
export function inodeOf(sysfs: string, kernelName: string): bigint | undefined {
  return lstatSync(`${sysfs}/class/block/${kernelName}`, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** What lies under the device: the other end of `holders`. A partition has nothing here. */
export function lowerDevicesOf(sysfs: string, kernelName: string): readonly string[] {
  return namesIn(`${sysfs}/class/block/${kernelName}/slaves`);
}
