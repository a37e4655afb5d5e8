import type { BlockDevice, Devices, HeldDevice } from "./host.ts";
import { createDeviceLister } from "./device-lister.ts";
import { createDiskCheck } from "./disk-check.ts";
import { createMappingFinder } from "./mapping-finder.ts";
import { isLogicalVolume } from "./sysfs.ts";
import { describeDevice, findNumber } from "./sysfs-devices.ts";
import type { RunJob } from "./worker-pool.ts";
import { createWritableDevice } from "./writable-device.ts";

const SYSFS = "/sys";

/**
 * The machine's block devices. What sysfs knows is read here: it is in memory, and reading it waits for no disk.
 * Whatever opens a device is a job for the worker threads.
 */
export function createDevices(runJob: RunJob): Devices {
  const findMapping = createMappingFinder(SYSFS);
  return {
    list: createDeviceLister(SYSFS),
    findNamed: async (name) => describeDevice(SYSFS, name),
    findMapping: async (name) => findMapping(name),
    findNumber: async (number) => findNumber(SYSFS, number),
    read: (device, ranges) =>
      runJob(isLogicalVolume(device) ? "probe" : "read", device.number, "readDevice", { device, ranges }),
    checkDisk: createDiskCheck(runJob, SYSFS),
    flush: (device) => runJob(isLogicalVolume(device) ? "device" : "flush", device.number, "flushDevice", { device }),
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
      return createHeldDevice(runJob, device, fd);
    },
  };
}

function createHeldDevice(runJob: RunJob, device: BlockDevice, fd: number): HeldDevice {
  let closed: Promise<void> | undefined;
  return { device, fd, close: () => (closed ??= runJob("device", device.number, "closeDescriptor", { fd })) };
}
