import type { BlockDevice } from "../host/host.ts";

/** The smallest device that pvcreate has ever taken (devices/pv_min_size in lvm.conf(5)). */
const smallestBytes = 512 * 1024;

/**
 * The devices that a physical volume of the host can be on. Never a logical volume or a partition of one: what is on
 * those belongs to whoever uses the volume, and a label there must not be taken for the host's. Never the lower device
 * of a stack (a path of a multipath device, a half of a mirror): it shows the same label as the upper one.
 */
export function candidateDevices(devices: readonly BlockDevice[]): readonly BlockDevice[] {
  const byName = new Map(devices.map((device) => [device.name, device]));
  return devices.filter(
    (device) =>
      device.sizeBytes >= smallestBytes &&
      !unsuitableName.test(device.name) &&
      !isOfLogicalVolume(device) &&
      device.mapping?.suspended !== true &&
      !isHeld(device, byName),
  );
}

/** What tells two sets of candidates apart. */
export function signatureOf(candidates: readonly BlockDevice[]): string {
  return candidates
    .map((device) => `${device.name} ${device.number} ${device.sizeBytes} ${device.mapping?.uuid ?? ""}`)
    .toSorted()
    .join("\n");
}

const unsuitableName = /^(?:ram|zram|fd|sr)\d/;

/** "part1-LVM-..." is a partition that kpartx(8) mapped on a logical volume. */
function isOfLogicalVolume(device: BlockDevice): boolean {
  return /^(?:part\d+-)*LVM-/.test(device.mapping?.uuid ?? "");
}

/** Whether something else than logical volumes lies on the device, or on the whole disk that it is a partition of. */
function isHeld(device: BlockDevice, byName: ReadonlyMap<string, BlockDevice>): boolean {
  const disk = byName.get(diskNameOf(device.name));
  return [...device.holders, ...(disk?.holders ?? [])].some((name) => {
    const holder = byName.get(name);
    return holder !== undefined && !isOfLogicalVolume(holder);
  });
}

/** "sda" for "sda1", "nvme0n1" for "nvme0n1p2"; some name that no disk has for a disk. */
function diskNameOf(partition: string): string {
  return partition.replace(/^(.*\d)p\d+$|^(.*\D)\d+$/, "$1$2");
}
