import type { BlockDevice } from "./host.ts";
import { readAttribute } from "./sysfs.ts";
import { describeDevice, kernelNames } from "./sysfs-devices.ts";

/**
 * Finds device-mapper devices by name, for a thousand volumes and more.
 *
 * Where a name was last found is looked at first; what is found is always read anew. All names are read again only when
 * the kernel has reported a change of any device since: a mapping is reported when it is resumed, which ends each
 * activation and each renaming, before the ioctl that did it returns (drivers/md/dm-ioctl.c, do_resume and dev_rename).
 */
export function createMappingFinder(sysfs: string): (name: string) => BlockDevice | undefined {
  const lastSeen = new Map<string, string>();
  let readAfter: string | undefined;
  return (name) => {
    const atOnce = describeNamed(sysfs, lastSeen.get(name), name);
    if (atOnce !== undefined) return atOnce;
    const changes = readAttribute(`${sysfs}/kernel/uevent_seqnum`);
    if (changes === undefined || changes !== readAfter || lastSeen.has(name)) {
      readAllNames(sysfs, lastSeen);
      readAfter = changes;
    }
    return describeNamed(sysfs, lastSeen.get(name), name);
  };
}

function readAllNames(sysfs: string, names: Map<string, string>): void {
  names.clear();
  for (const kernelName of kernelNames(sysfs)) {
    const name = kernelName.startsWith("dm-") ? readAttribute(`${sysfs}/class/block/${kernelName}/dm/name`) : undefined;
    if (name !== undefined) names.set(name, kernelName);
  }
}

/** Undefined when there is no such device, or it has another name by now. */
function describeNamed(sysfs: string, kernelName: string | undefined, name: string): BlockDevice | undefined {
  const device = kernelName === undefined ? undefined : describeDevice(sysfs, kernelName);
  return device?.mapping?.name === name ? device : undefined;
}
