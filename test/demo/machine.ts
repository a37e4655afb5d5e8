import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, open, readFile, rmdir } from "node:fs/promises";
import path from "node:path";
import { run, runShown } from "./programs.ts";

/** The machine that the demo plays on. */
export interface Machine {
  /** "uml" or "host": see test/lab/boot. */
  readonly laboratory: string;
  /** The loop device, the volume group's only physical volume. */
  readonly disk: string;
  /** What the loop device shows: reading it shows what lies on the disk, whatever LVM makes of it. */
  readonly diskFile: string;
  readonly volumeGroup: string;
  /** Takes the volume group and the loop device away. @throws Error if something still stands on them */
  readonly remove: () => Promise<void>;
}

const volumeGroup = "demo";
const diskBytes = 4 * 2 ** 30;

/** So much of somebody's earlier data lies on the disk, again and again. */
const earlier = { bytes: 2 ** 18, everyBytes: 2 ** 24 } as const;

/**
 * Makes a volume group on a loop device over a sparse file with old data in it, in the laboratory. On this machine's
 * own device-mapper the laboratory has made that loop device already, and lets LVM see no other.
 * @param directory where the file's filesystem may be mounted
 */
export async function makeMachine(directory: string): Promise<Machine> {
  const laboratory = process.env["LAB"] ?? "";
  const labDisk = (process.env["LAB_DISKS"] ?? "").split(" ")[0];
  if (!labDisk) throw new Error("no disk in LAB_DISKS: the demo runs in the laboratory (npm run demo)");
  const loop = laboratory === "host" ? await existingLoop(labDisk) : await makeLoop(labDisk, directory);
  await scatterData(loop.file);
  // More room for metadata than the default megabyte: every volume's tags are in it.
  await run("vgcreate", "--quiet", "--metadatasize", "4m", volumeGroup, loop.disk);
  const remove = async (): Promise<void> => {
    await run("vgremove", "--quiet", volumeGroup);
    await loop.remove();
    const mounts = await mountsBelow(directory);
    if (mounts.length > 0) throw new Error(`still mounted: ${mounts.join(", ")}`);
  };
  return { laboratory, volumeGroup, disk: loop.disk, diskFile: loop.file, remove };
}

interface Loop {
  readonly disk: string;
  readonly file: string;
  readonly remove: () => Promise<void>;
}

async function existingLoop(disk: string): Promise<Loop> {
  const file = await run("losetup", "--noheadings", "--output", "BACK-FILE", disk);
  return { disk, file, remove: async () => undefined };
}

async function makeLoop(labDisk: string, directory: string): Promise<Loop> {
  // With extents a loop device zeroes in no time by marking its file's blocks as unwritten. Without them it has to write
  // zeroes, as most disks have to: the demo shows what that is like.
  await run("mkfs.ext4", "-q", "-O", "^extent,^64bit,^metadata_csum,^has_journal", labDisk);
  const mountPoint = path.join(directory, "disk");
  await mkdir(mountPoint);
  await run("mount", labDisk, mountPoint);
  const file = path.join(mountPoint, "disk.img");
  await run("truncate", "--size", String(diskBytes), file);
  const disk = await run("losetup", "--find", "--show", file);
  const remove = async (): Promise<void> => {
    await run("losetup", "--detach", disk);
    await run("umount", mountPoint);
    await rmdir(mountPoint);
  };
  return { disk, file, remove };
}

/** Makes the disk a used one: somebody's data all over it, which nobody may ever see in a volume. */
async function scatterData(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    // not at its begin, where LVM looks for a disk that is in use
    for (let offset = earlier.everyBytes; offset < diskBytes; offset += earlier.everyBytes) {
      await handle.write(randomBytes(earlier.bytes), 0, earlier.bytes, offset);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What `lvs` shows, with the driver's tags, which are its only memory. */
export function listVolumes(machine: Machine): Promise<string> {
  return runShown("lvs", "-o", "lv_name,lv_size,lv_tags", machine.volumeGroup);
}

/** Name and bytes of each logical volume, hidden ones too. */
export async function volumeSizes(machine: Machine): Promise<ReadonlyMap<string, number>> {
  const columns = ["--options", "lv_name,lv_size", "--units", "b", "--nosuffix", "--separator", "/"];
  const table = await run("lvs", "--all", "--noheadings", ...columns, machine.volumeGroup);
  const rows = table === "" ? [] : table.split("\n").map((line) => line.trim().split("/"));
  return new Map(rows.map(([name = "", bytes]) => [name, Number(bytes)]));
}

/** The places at or below a directory where something is mounted, one for each mount. */
export async function mountsBelow(directory: string): Promise<readonly string[]> {
  return selectBelow(directory, await readFile(mountTable, "utf8"));
}

const mountTable = "/proc/self/mountinfo";

function selectBelow(directory: string, table: string): readonly string[] {
  const targets = table.split("\n").map((line) => line.split(" ")[4] ?? "");
  return targets.filter((target) => target === directory || target.startsWith(`${directory}/`));
}

/**
 * Removes a directory of the demo's, at its end, with whatever a failure has left mounted there. Nothing else runs
 * meanwhile: the event loop stands still.
 */
export function clearAway(directory: string): void {
  const mounts = selectBelow(directory, readFileSync(mountTable, "utf8"));
  // what this process has open in it holds a mount until the process ends
  for (const mount of mounts.toReversed()) execFileSync("umount", ["--lazy", mount]);
  // else the removal would go on into what is mounted
  const left = selectBelow(directory, readFileSync(mountTable, "utf8"));
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(", ")}`);
  rmSync(directory, { recursive: true });
}
