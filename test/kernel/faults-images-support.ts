import { randomBytes } from "node:crypto";
import { writeAt } from "./device-support.ts";
import { MiB, shell } from "./world.ts";

/** What somebody, or an accident, has put on a volume that held nothing but zeroes. */
export interface Image {
  readonly name: string;
  /** What the driver says that it found. */
  readonly found: RegExp;
  readonly write: (device: string) => Promise<unknown>;
}

/** Smaller ones are refused by mkfs.btrfs and have no mirror of its superblock. */
export const imageBytes = 128 * MiB;

/** No mkfs leaves any of these: they are known by their marks. */
export const foreignImages: readonly Image[] = [
  { name: "GPT", found: /GPT partition table/, write: (device) => partition(device, "gpt") },
  { name: "GPT at the end alone", found: /GPT .*at the end/, write: partitionAtEnd },
  { name: "MBR", found: /DOS partition table/, write: (device) => partition(device, "dos") },
  marked("LUKS", /LUKS encrypted/, [0, hex("4c554b53babe0001")]),
  marked("LUKS2 without its first header", /LUKS2 .*damaged/, [16384, hex("534b554cbabe0002")]),
  { name: "swap", found: /swap space/, write: (device) => shell("mkswap", "--quiet", device) },
  marked("LVM physical volume", /LVM physical volume/, [512, hex("4c4142454c4f4e45")]),
  marked("LVM metadata without its label", /remains of an LVM/, [4100, hex("204c564d3220785b35412572304e2a3e")]),
  marked("bcache", /bcache device/, [4120, hex("c68573f64e1a45ca8265f57f48ba6d81")]),
  marked("md RAID 1.2", /md RAID member/, [4096, hex("fc4e2ba9")]),
  marked("md RAID 1.0", /md RAID member/, [imageBytes - 8192, hex("fc4e2ba9")]),
  marked("ZFS label", /ZFS member/, [128 * 1024, hex("0cb1ba0000000000")]),
  marked("ZFS label at the end", /ZFS member/, [imageBytes - 128 * 1024, hex("0cb1ba0000000000")]),
  marked("BlueStore", /Ceph BlueStore/, [0, Buffer.from("bluestore block device")]),
  marked("DRBD", /DRBD device/, [imageBytes - 4096 + 60, hex("837402")]),
  marked("ntfs", /ntfs/, [3, Buffer.from("NTFS    ")]),
  marked("xfs external log", /xfs external log/, [0, hex("feedbabe")]),
];

/** What is left of a filesystem that lost its beginning, or got no farther. */
export const damagedImages: readonly Image[] = [
  damaged("ext4 without its primary superblock", /only the copy of its superblock/, "ext4", 4096),
  damaged("ext4 without its first mebibyte", /only the copy of its superblock/, "ext4", MiB),
  damaged("btrfs with its mirror alone", /only the mirror of its superblock/, "btrfs", MiB),
  {
    name: "ext4 with a wrong checksum",
    found: /damaged ext4: the checksum/,
    write: async (device) => {
      await shell("mkfs.ext4", "-q", device);
      await writeAt(device, 1024 + 0x78, Buffer.from("bent"));
    },
  },
  { name: "half of mkfs.ext4", found: /only the copy of its superblock/, write: halfExt4 },
  { name: "half of mkfs.btrfs", found: /unfinished btrfs/, write: halfBtrfs },
];

/** Bytes that nobody knows. */
export const unknownImages: readonly Image[] = [
  marked("random data at the start", /unrecognised data at byte 0\b/, [0, randomBytes(MiB).fill(7, 0, 1)]),
  marked("one byte at the very end", /unrecognised data at byte \d+/, [imageBytes - 1, hex("01")]),
];

function hex(bytes: string): Buffer {
  return Buffer.from(bytes, "hex");
}

function marked(name: string, found: RegExp, [offset, bytes]: readonly [number, Uint8Array]): Image {
  return { name, found, write: (device) => writeAt(device, offset, bytes) };
}

/** A new filesystem whose beginning is zeroed. */
function damaged(name: string, found: RegExp, type: string, lostBytes: number): Image {
  return {
    name,
    found,
    write: async (device) => {
      await shell(`mkfs.${type}`, "-q", device);
      await writeAt(device, 0, new Uint8Array(lostBytes));
    },
  };
}

/** mkfs.ext4 writes the primary superblock last. */
async function halfExt4(device: string): Promise<void> {
  const file = "/run/half";
  await shell("truncate", "--size", String(imageBytes), file);
  await shell("mkfs.ext4", "-q", file);
  const part = ["bs=1M", "skip=1", "seek=1", `count=${imageBytes / 2 / MiB}`];
  await shell("dd", `if=${file}`, `of=${device}`, ...part, "conv=fsync,notrunc", "status=none");
  await shell("rm", file);
}

/** mkfs.btrfs begins with another mark than it ends with. */
async function halfBtrfs(device: string): Promise<void> {
  await shell("mkfs.btrfs", "-q", device);
  await writeAt(device, 65536 + 0x40, Buffer.from("!BHRfS_M"));
}

async function partition(device: string, label: string): Promise<void> {
  await shell("bash", "-c", `echo start=2048 | sfdisk --quiet --no-reread --no-tell-kernel --label ${label} ${device}`);
}

async function partitionAtEnd(device: string): Promise<void> {
  await partition(device, "gpt");
  await writeAt(device, 0, new Uint8Array(MiB));
}
