import type { BlockDevice } from "../host/host.ts";

/** The smallest device that pvcreate has ever taken (devices/pv_min_size in lvm.conf(5)). */
const smallestBytes = 512 * 1024;

/**
 * The devices that a physical volume of the host can be on. Never one whose content is a volume's: what is there belongs
 * to whoever uses the volume, and a label there must not be taken for the host's. Never the lower device of a stack (a
 * path of a multipath device, a half of a mirror): it shows the same label as the upper one.
 * @param kubeletDirectory without symlinks; a loop device over what lies below it is a volume's
 */
export function candidateDevices(devices: readonly BlockDevice[], kubeletDirectory: string): readonly BlockDevice[] {
  const byName = new Map(devices.map((device) => [device.name, device]));
  const ofVolumes = namesOfVolumeDevices(devices, byName, kubeletDirectory);
  return devices.filter(
    (device) =>
      device.sizeBytes >= smallestBytes &&
      !unsuitableName.test(device.name) &&
      !ofVolumes.has(device.name) &&
      !isHeld(device, byName),
  );
}

/** What tells two sets of candidates apart. */
export function signatureOf(candidates: readonly BlockDevice[]): string {
  return candidates
    .map(({ name, number, sizeBytes, mapping }) =>
      // one that is resumed can be read from then on, and may be a copy of what was found without it
      [name, number, sizeBytes, mapping?.uuid ?? "", mapping?.suspended === true].join(" "),
    )
    .toSorted()
    .join("\n");
}

const unsuitableName = /^(?:ram|zram|fd|sr)\d/;

/** Logical volumes, loop devices over volumes, and whatever is stacked on them or is a partition of them. */
function namesOfVolumeDevices(
  devices: readonly BlockDevice[],
  byName: ReadonlyMap<string, BlockDevice>,
  kubeletDirectory: string,
): ReadonlySet<string> {
  const partitions = Map.groupBy(devices, (device) => diskNameOf(device.name));
  const found = new Set(
    devices
      .filter((device) => isOfLogicalVolume(device) || isLoopOverVolume(device, kubeletDirectory))
      .map((device) => device.name),
  );
  // A set that grows while it is gone through is gone through to its end.
  for (const name of found) {
    for (const holder of byName.get(name)?.holders ?? []) found.add(holder);
    for (const partition of partitions.get(name) ?? []) found.add(partition.name);
  }
  return found;
}

/** "part1-LVM-..." is a partition that kpartx(8) mapped on a logical volume. */
function isOfLogicalVolume(device: BlockDevice): boolean {
  return /^(?:part\d+-)*LVM-/.test(device.mapping?.uuid ?? "");
}

/**
 * The kubelet puts a loop device over every raw block volume that a pod uses: its backing file is a device node, there
 * or below the kubelet directory. Nor are images that a pod keeps in its volumes the host's.
 */
function isLoopOverVolume({ backingFile }: BlockDevice, kubeletDirectory: string): boolean {
  if (backingFile === undefined) return false;
  return ["/dev", kubeletDirectory].some((directory) => backingFile.startsWith(`${directory}/`));
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
