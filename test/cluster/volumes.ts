import { onNode } from "./inside.ts";

/** The volume group that the driver of this cluster is given on each node. */
export const volumeGroup = "vg0";

export const extentBytes = 4 * 2 ** 20;

/** Makes the volume group on the blank disk of the node, as an administrator does before the driver is installed. */
export async function makeVolumeGroup(node: string): Promise<void> {
  await onNode(node, ["vgcreate", "--quiet", "--yes", "--metadatasize", "16m", volumeGroup, "/dev/ubdc"]);
}

/** Sizes in bytes of the logical volumes of a node, by their names. */
export async function logicalVolumes(node: string): Promise<ReadonlyMap<string, number>> {
  const lines = await reported(node, ["lvs", "--options=lv_name,lv_size"]);
  return new Map(lines.map(([name = "", size]) => [name, Number(size)]));
}

/** The names of all logical volumes of both nodes. */
export async function volumesOfNodes(): Promise<readonly string[]> {
  const nodes = await Promise.all(["node1", "node2"].map(logicalVolumes));
  return nodes.flatMap((volumes) => volumes.keys().toArray());
}

/** Bytes of the node's volume group that belong to nobody. */
export async function freeBytes(node: string): Promise<number> {
  const [line] = await reported(node, ["vgs", "--options=vg_free"]);
  return Number(line?.[0]);
}

/** Where the node has mounted something of this volume: the second field of /proc/mounts. */
export async function mountsOf(node: string, volume: string): Promise<readonly string[]> {
  const mounts = (await onNode(node, ["cat", "/proc/mounts"])).split("\n").map((line) => line.split(" ")[1] ?? "");
  return mounts.filter((mount) => mount.includes(volume));
}

async function reported(node: string, [command = "", ...args]: readonly string[]): Promise<readonly string[][]> {
  const format = ["--noheadings", "--units=b", "--nosuffix", "--separator=,"];
  const printed = await onNode(node, [command, ...format, ...args, volumeGroup]);
  const lines = printed.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => line.trim().split(","));
}
