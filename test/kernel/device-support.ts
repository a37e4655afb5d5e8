import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, writeFile } from "node:fs/promises";
import {
  MiB,
  type World,
  claimName,
  devicePath,
  logicalVolumeOf,
  mountCapability,
  shell,
  stagingPath,
} from "./world.ts";

const sectorBytes = 512;
/** Where small disks begin on a laboratory disk: LVM would find a label in its first sector on both of them. */
const skippedSectors = (4 * MiB) / sectorBytes;
/** Room for LVM's label and metadata, which are never slow. */
const metadataSectors = (4 * MiB) / sectorBytes;

/** A part of a laboratory disk, as a disk of its own. */
export interface SmallDisk {
  readonly path: string;
  /** Makes every write behind LVM's metadata take so many milliseconds; 0 makes it a plain disk again. */
  readonly delayWrites: (milliseconds: number) => Promise<void>;
  /** Takes the disk away; nobody may have it open. */
  readonly remove: () => Promise<void>;
  readonly bringBack: () => Promise<void>;
}

/** Makes a small disk on the laboratory's disk of that number, from 0. */
export async function makeSmallDisk(index: number, sizeBytes: number): Promise<SmallDisk> {
  const disk = (process.env["LAB_DISKS"] ?? "").split(" ")[index] ?? "";
  const name = `small${index}`;
  const sectors = sizeBytes / sectorBytes;
  const plain = `0 ${sectors} linear ${disk} ${skippedSectors}`;
  const slowStart = skippedSectors + metadataSectors;
  const slow = (milliseconds: number): string =>
    `0 ${metadataSectors} linear ${disk} ${skippedSectors}\n` +
    `${metadataSectors} ${sectors - metadataSectors} delay ${disk} ${slowStart} 0 ${disk} ${slowStart} ${milliseconds}`;
  const bringBack = async (): Promise<void> => {
    await dmsetup("create", name, await tableFile(plain));
  };
  await bringBack();
  return {
    path: `/dev/mapper/${name}`,
    delayWrites: (milliseconds) => exchangeTable(name, milliseconds === 0 ? plain : slow(milliseconds)),
    remove: async () => {
      await dmsetup("remove", name);
    },
    bringBack,
  };
}

/** How device-mapper fails: always, or for an hour from now on. */
type Breakage = "error" | "flakey";

/** Makes the first mebibyte of a volume's device unreadable; returns what mends it. */
export async function breakStart(
  world: World,
  volumeId: string,
  breakage: Breakage = "error",
): Promise<() => Promise<void>> {
  const name = devicePath(world, volumeId).slice("/dev/mapper/".length);
  const whole = (await dmsetup("table", name)).trim();
  const [start, length, type, disk, offset] = whole.split(" ");
  if (start !== "0" || type !== "linear") throw new Error(`${name} is not one linear segment: ${whole}`);
  const bad = MiB / sectorBytes;
  const rest = `${bad} ${Number(length) - bad} linear ${disk} ${Number(offset) + bad}`;
  const broken = breakage === "error" ? "error" : `flakey ${disk} ${offset} 0 3600`;
  await exchangeTable(name, `0 ${bad} ${broken}\n${rest}`);
  return () => exchangeTable(name, whole);
}

/** One step for the kernel: nobody sees the device suspended. */
async function exchangeTable(name: string, table: string): Promise<void> {
  await dmsetup("load", name, await tableFile(table));
  await dmsetup("resume", name);
}

/** dmsetup(8), which makes the nodes itself: the laboratory has no udev. */
export function dmsetup(...args: readonly string[]): Promise<string> {
  return shell("env", "DM_DISABLE_UDEV=1", "dmsetup", ...args);
}

async function tableFile(table: string): Promise<string> {
  const path = "/run/dm-table";
  await writeFile(path, `${table}\n`);
  return path;
}

/** Makes a filesystem volume; returns its id. */
export async function createFilesystem(world: World, type: string, sizeBytes: number): Promise<string> {
  const request = {
    name: claimName(),
    capacityRange: { requiredBytes: sizeBytes },
    volumeCapabilities: [mountCapability(type)],
  };
  return (await world.rpc.CreateVolume(request)).volume?.volumeId ?? "";
}

/** What NodeStageVolume is asked for a filesystem volume. */
export async function stageRequest(world: World, volumeId: string, type: string) {
  const stagingTargetPath = await stagingPath(world, logicalVolumeOf(volumeId));
  return { volumeId, stagingTargetPath, volumeCapability: mountCapability(type) };
}

/** Gives a volume another state by hand, as a run that was ended there would have left it. */
export async function setState(world: World, volumeId: string, from: string, to: string): Promise<void> {
  const name = `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`;
  await shell("lvchange", "--quiet", "--deltag", stateTag(from), "--addtag", stateTag(to), name);
}

function stateTag(state: string): string {
  return `lvm.local.csi/state=${state}`;
}

/** The digest of all bytes of a file or device. */
export async function digest(path: string): Promise<string> {
  const hash = createHash("sha1");
  for await (const piece of createReadStream(path, { highWaterMark: MiB })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Writes to a device, and onto its disk. */
export async function writeAt(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const device = await open(path, "r+");
  await device.write(bytes, 0, bytes.length, offset);
  await device.sync();
  await device.close();
}

/** Opens a device as mkfs and mount do, so that nobody else can have it like that. */
export function holdExclusively(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_EXCL);
}

/** The uuid of the filesystem on a device. */
export async function filesystemUuid(path: string): Promise<string> {
  return (await shell("blkid", "--probe", "--output", "value", "--match-tag", "UUID", path)).trim();
}
