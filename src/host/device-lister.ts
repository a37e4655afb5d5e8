import { setImmediate } from "node:timers/promises";
import type { BlockDevice } from "./host.ts";
import { isLogicalVolume } from "./sysfs.ts";
import { describeDevice, inodeOf, kernelNames, lowerDevicesOf } from "./sysfs-devices.ts";

/** So many devices take a millisecond or two; others get their turn after them. */
const devicesAtOnce = 32;

/** A logical volume's device as it was when it was first seen. */
interface Seen {
  readonly inode: bigint;
  readonly device: BlockDevice;
}

/**
 * Lists all block devices, as `Devices.list` tells. Each command to LVM is preceded by a list, and there may be a
 * thousand logical volumes: to read all of a device takes 30 system calls, to see that it is still the same takes one.
 */
export function createDeviceLister(sysfs: string): () => Promise<readonly BlockDevice[]> {
  const volumes = new Map<string, Seen>();
  return async () => {
    const devices: BlockDevice[] = [];
    const holders = new Map<string, string[]>();
    const names = kernelNames(sysfs);
    for (const [index, name] of names.entries()) {
      if (index > 0 && index % devicesAtOnce === 0) await setImmediate();
      const device = seenVolume(sysfs, volumes, name) ?? describe(sysfs, volumes, name);
      if (device === undefined) continue;
      devices.push(device);
      if (isLogicalVolume(device)) continue;
      for (const lower of lowerDevicesOf(sysfs, name)) holders.set(lower, [...(holders.get(lower) ?? []), name]);
    }
    forgetAllBut(volumes, new Set(names));
    return devices.map((device) => (isLogicalVolume(device) ? heldBy(device, holders.get(device.name)) : device));
  };
}

function heldBy(device: BlockDevice, holders: readonly string[] = []): BlockDevice {
  return { ...device, holders };
}

function seenVolume(sysfs: string, volumes: ReadonlyMap<string, Seen>, name: string): BlockDevice | undefined {
  const seen = volumes.get(name);
  return seen !== undefined && seen.inode === inodeOf(sysfs, name) ? seen.device : undefined;
}

function describe(sysfs: string, volumes: Map<string, Seen>, name: string): BlockDevice | undefined {
  volumes.delete(name);
  // before the rest: what is described may already be the next device of that name, never the one before
  const inode = inodeOf(sysfs, name);
  const device = describeDevice(sysfs, name);
  if (isLogicalVolume(device) && inode !== undefined && inode === inodeOf(sysfs, name))
    volumes.set(name, { inode, device });
  return device;
}

function forgetAllBut(volumes: Map<string, Seen>, names: ReadonlySet<string>): void {
  for (const name of volumes.keys()) if (!names.has(name)) volumes.delete(name);
}
