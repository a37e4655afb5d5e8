import { existsSync, readFileSync, readdirSync } from "node:fs";
import { hasCode } from "./error-code.ts";
import type { BlockDevice, DeviceMapping } from "./host.ts";

/** The content of a small sysfs file without its newline; undefined when there is none, or its device has gone. */
export function readAttribute(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/\n$/, "");
  } catch (error) {
    // EINVAL and EIO are what device-mapper's attributes say of a device that is just going (drivers/md/dm-sysfs.c,
    // dm_attr_show and dm_attr_name_show).
    if (hasCode(error, ["ENOENT", "ENOTDIR", "ENODEV", "ENXIO", "EINVAL", "EIO"])) {
      return undefined;
    }
    throw error;
  }
}

/** What sysfs says of the device-mapper device whose directory is given; undefined for another kind of device. */
export function readMapping(directory: string): DeviceMapping | undefined {
  // most devices are of another kind, and an exception for each attribute would take longer than all the rest
  if (!existsSync(`${directory}/dm`)) return undefined;
  const name = readAttribute(`${directory}/dm/name`);
  const uuid = readAttribute(`${directory}/dm/uuid`);
  const suspended = readAttribute(`${directory}/dm/suspended`);
  if (name === undefined || uuid === undefined || suspended === undefined) {
    return undefined;
  }
  return { name, uuid, suspended: suspended === "1" };
}

/** What a directory of sysfs holds; nothing when there is none, or its device has gone. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, ["ENOENT", "ENOTDIR"])) {
      return [];
    }
    throw error;
  }
}

/** Whether the device is a logical volume of any group. */
export function isLogicalVolume(device: BlockDevice | undefined): device is BlockDevice {
  return device?.mapping?.uuid.startsWith("LVM-") === true;
}
