import type { BlockDevice } from "./host.ts";
import { readAttribute } from "./sysfs.ts";
import { describeDevice, inodeOf, kernelNames } from "./sysfs-devices.ts";

/** A mapping's name as it was when its entry in sysfs was looked at last. */
interface Seen {
  readonly inode: bigint;
  readonly name: string;
}

/**
 * Finds device-mapper devices by name, for a thousand volumes and more.
 *
 * Where a name was last found is looked at first; what is found is always read anew. Else the names of those that have
 * appeared are read, and if that does not help, all: a mapping may have been renamed. Both only when the kernel has
 * reported a change of any device since: a mapping is reported when it is resumed, which ends each activation and each
 * renaming, before the ioctl that did it returns (drivers/md/dm-ioctl.c, do_resume and dev_rename).
 */
export function createMappingFinder(sysfs: string): (name: string) => BlockDevice | undefined {
  const seen = new Map<string, Seen>();
  const lastSeen = new Map<string, string>();
  let readAfter: string | undefined;
  return (name) => {
    const atOnce = describeNamed(sysfs, lastSeen.get(name), name);
    if (atOnce !== undefined) return atOnce;
    const changes = readAttribute(`${sysfs}/kernel/uevent_seqnum`);
    if (changes !== undefined && changes === readAfter && !lastSeen.has(name)) return undefined;
    for (const everyName of [false, true]) {
      if (everyName) {
        seen.clear();
        // only now is it known that no other name is there: the first look passes over what was renamed
        readAfter = changes;
      }
      readNames(sysfs, seen);
      lastSeen.clear();
      for (const [kernelName, { name: one }] of seen) lastSeen.set(one, kernelName);
      const found = describeNamed(sysfs, lastSeen.get(name), name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Brings the names up to date with what has appeared and gone. */
function readNames(sysfs: string, seen: Map<string, Seen>): void {
  const mappings = kernelNames(sysfs).filter((kernelName) => kernelName.startsWith("dm-"));
  const present = new Set(mappings);
  for (const kernelName of seen.keys()) if (!present.has(kernelName)) seen.delete(kernelName);
  for (const kernelName of mappings) {
    const inode = inodeOf(sysfs, kernelName);
    if (inode !== undefined && seen.get(kernelName)?.inode === inode) continue;
    seen.delete(kernelName);
    const name = readAttribute(`${sysfs}/class/block/${kernelName}/dm/name`);
    if (inode !== undefined && name !== undefined) seen.set(kernelName, { inode, name });
  }
}

/** Undefined when there is no such device, or it has another name by now. */
function describeNamed(sysfs: string, kernelName: string | undefined, name: string): BlockDevice | undefined {
  const device = kernelName === undefined ? undefined : describeDevice(sysfs, kernelName);
  return device?.mapping?.name === name ? device : undefined;
}
