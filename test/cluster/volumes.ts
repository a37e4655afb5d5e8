import { onNode } from "./inside.ts";

/** The volume group that the driver of this cluster is given on each node. */
export const volumeGroup = "vg0";

export const extentBytes = 4 * 2 ** 20;

/** The blank disk of a node. */
const disk = "/dev/ubdc";

/** Makes the volume group on the blank disk of the node, as an administrator does before the driver is installed. */
export async function makeVolumeGroup(node: string): Promise<void> {
  await onNode(node, ["vgcreate", "--quiet", "--yes", "--metadatasize", "16m", volumeGroup, disk]);
}

/** Sizes in bytes of the logical volumes of a node, by their names. */
export async function logicalVolumes(node: string): Promise<ReadonlyMap<string, number>> {
  const lines = await reported(node, ["lvs", "--options=lv_name,lv_size"]);
  return new Map(lines.map(([name = "", size]) => [name, Number(size)]));
}

/** The tags of a logical volume of a node, as lvs(8) prints them. */
export async function tagsOf(node: string, volume: string): Promise<string> {
  return onNode(node, ["lvs", "--noheadings", "--options=lv_tags", `${volumeGroup}/${volume}`]);
}

/** A part of a node's disk, in extents from the first one on. */
export interface Piece {
  readonly start: number;
  readonly extents: number;
}

/** Where on its disk a logical volume lies. */
export async function piecesOf(node: string, volume: string): Promise<readonly Piece[]> {
  const lines = await reported(node, ["lvs", "--options=seg_pe_ranges", `--select=lv_name=${volume}`]);
  return lines.map(([range = ""]) => {
    const [, start, end] = /^\/dev\/ubdc:(\d+)-(\d+)$/.exec(range) ?? [];
    if (start === undefined) throw new Error(`lvs shows its extents as ${range}`);
    return { start: Number(start), extents: Number(end) - Number(start) + 1 };
  });
}

/** Has a shell's command in the node read a piece of its disk, whoever it belongs to; resolves to what it prints. */
export async function readDisk(node: string, { start, extents }: Piece, command: string): Promise<string> {
  const first = await onNode(node, ["pvs", "--noheadings", "--units=b", "--nosuffix", "--options=pe_start", disk]);
  const [skip, count] = [Number(first) + start * extentBytes, extents * extentBytes];
  const read = `dd if=${disk} bs=1M skip=${skip} count=${count} iflag=direct,skip_bytes,count_bytes status=none`;
  return onNode(node, ["sh", "-c", `${read} | ${command}`]);
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
