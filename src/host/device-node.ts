import type { BlockDevice } from "./host.ts";

/** The path of the device's node. The kernel writes "!" in a name for the "/" that sysfs cannot have: "cciss!c0d0". */
export function nodePath(device: Pick<BlockDevice, "name">): string {
  return `/dev/${device.name.replaceAll("!", "/")}`;
}
