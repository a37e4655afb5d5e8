import { readdirSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { SystemError } from "../errors.ts";
import type { BlockDevice } from "./host.ts";
import { hasCode } from "./error-code.ts";
import { readAttribute, readMapping } from "./sysfs.ts";

const SECTOR_BYTES = 512;
/** So many devices take a millisecond or two; others get their turn after them. */
const DEVICES_AT_ONCE = 32;

/** Block devices as sysfs describes them, in the directory where it is mounted. All of it is in memory. */

/** All block devices and their partitions. */
export async function listDevices(sysfs: string): Promise<readonly BlockDevice[]> {
  const devices: BlockDevice[] = [];
  for (const [index, name] of kernelNames(sysfs).entries()) {
    if (index > 0 && index % DEVICES_AT_ONCE === 0) await setImmediate();
    const device = describeDevice(sysfs, name);
    if (device !== undefined) devices.push(device);
  }
  return devices;
}

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
    holders: holdersOf(directory),
    mapping,
    backingFile: kernelName.startsWith("loop") ? readAttribute(`${directory}/loop/backing_file`) : undefined,
  };
}

export function kernelNames(sysfs: string): readonly string[] {
  return readdirSync(`${sysfs}/class/block`);
}

function holdersOf(directory: string): readonly string[] {
  try {
    return readdirSync(`${directory}/holders`);
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      return [];
    }
    throw error;
  }
}
