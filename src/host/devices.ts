import { readdirSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { SystemError } from "../errors.ts";
import { createWritableDevice } from "./writable-device.ts";
import type { BlockDevice, Devices } from "./host.ts";
import { hasCode, readAttribute, readMapping } from "./sysfs.ts";
import type { RunJob } from "./worker-pool.ts";

const DEVICES = "/sys/class/block";
const SECTOR_BYTES = 512;

/**
 * The machine's block devices. What sysfs knows is read here: it is in memory, and reading it waits for no disk.
 * Whatever opens a device is a job for the worker threads.
 */
export function createDevices(runJob: RunJob): Devices {
  const findMapping = createMappingFinder();
  return {
    list: async () => kernelNames().flatMap((name) => describe(name) ?? []),
    findMapping: async (name) => findMapping(name),
    findNumber: async (number) => findNumber(number),
    read: (device, ranges) => runJob("read", device.number, "readDevice", { device, ranges }),
    flush: (device) => runJob("device", device.number, "flushDevice", { device }),
    openExclusive: async (device) => {
      const fd = await runJob("device", device.number, "openExclusive", { device });
      return createWritableDevice(runJob, device, fd);
    },
    openShared: async (device) => {
      const fd = await runJob("device", device.number, "openShared", { device });
      return createWritableDevice(runJob, device, fd);
    },
    hold: async (device) => {
      const fd = await runJob("device", device.number, "openHeld", { device });
      let closed: Promise<void> | undefined;
      return { close: () => (closed ??= runJob("device", device.number, "closeDescriptor", { fd })) };
    },
  };
}

/**
 * Finds device-mapper devices by name. Where a name was last found is looked at first, so that asking for each of a
 * thousand volumes reads a thousand names and not a million; what is found is always read anew.
 */
function createMappingFinder(): (name: string) => BlockDevice | undefined {
  const lastSeen = new Map<string, string>();
  return (name) => {
    const atOnce = describeNamed(lastSeen.get(name), name);
    if (atOnce !== undefined) return atOnce;
    lastSeen.clear();
    for (const kernelName of kernelNames()) {
      const found = readAttribute(`${DEVICES}/${kernelName}/dm/name`);
      if (found !== undefined) lastSeen.set(found, kernelName);
    }
    return describeNamed(lastSeen.get(name), name);
  };
}

/** Undefined when there is no such device, or it has another name by now. */
function describeNamed(kernelName: string | undefined, name: string): BlockDevice | undefined {
  const device = kernelName === undefined ? undefined : describe(kernelName);
  return device?.mapping?.name === name ? device : undefined;
}

function findNumber(number: string): BlockDevice | undefined {
  if (!/^\d+:\d+$/.test(number)) {
    throw new SystemError("EINVAL", `"${number}" is not a device number`);
  }
  try {
    const device = describe(basename(readlinkSync(`/sys/dev/block/${number}`)));
    return device?.number === number ? device : undefined;
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      return undefined;
    }
    throw error;
  }
}

function kernelNames(): readonly string[] {
  return readdirSync(DEVICES);
}

/** Undefined when the device has gone meanwhile. */
function describe(kernelName: string): BlockDevice | undefined {
  const directory = `${DEVICES}/${kernelName}`;
  const number = readAttribute(`${directory}/dev`);
  const sectors = readAttribute(`${directory}/size`);
  if (number === undefined || sectors === undefined) {
    return undefined;
  }
  return {
    name: kernelName,
    number,
    sizeBytes: Number(sectors) * SECTOR_BYTES,
    holders: holdersOf(directory),
    mapping: readMapping(directory),
    backingFile: kernelName.startsWith("loop") ? readAttribute(`${directory}/loop/backing_file`) : undefined,
  };
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
