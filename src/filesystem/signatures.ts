import type { ReadBytes } from "./device-bytes.ts";
import { startsWith } from "./device-bytes.ts";

/** Marks by which other users of a device are known, to name them to the operator. None of them decides anything. */
interface Signature {
  readonly name: string;
  readonly magic: Uint8Array;
  readonly offsets: readonly number[];
}

/** The LUKS2 header's second copy stands at one of these (LUKS2 On-Disk Format, 2.2); the last two lie off the edge. */
const LUKS2_COPIES = [14, 15, 16, 17, 18, 19, 20, 21, 22].map((bit) => 2 ** bit);

/** Offsets of signatures that are farther than 2 MiB from both ends of the device. */
export const FAR_SIGNATURES: readonly number[] = LUKS2_COPIES.filter((offset) => offset >= 2 * 2 ** 20);

/** The name of the first known mark on the device; undefined when there is none. */
export function findSignature(read: ReadBytes, deviceBytes: number): string | undefined {
  const known = [...AT_START, ...atEnd(deviceBytes)];
  const found = known.find((each) =>
    each.offsets.some((offset) => startsWith(read(offset, each.magic.length), each.magic)),
  );
  if (found !== undefined) return found.name;
  return hasZfsLabel(read, deviceBytes) ? "ZFS member" : findBootSector(read);
}

const SWAP_PAGES = [4096, 8192, 16384, 32768, 65536];
const SECTORS = [0, 512, 1024, 1536];

/** Containers come before what may be inside them. */
const AT_START: readonly Signature[] = [
  text("LUKS encrypted device", "LUKS\u00ba\u00be", [0]),
  text("LUKS2 encrypted device with a damaged first header", "SKUL\u00ba\u00be", LUKS2_COPIES),
  text("LVM physical volume", "LABELONE", SECTORS),
  text("remains of an LVM physical volume", " LVM2 x[5A%r0N*>", [4100]),
  hex("md RAID member (metadata 1.1 or 1.2)", "fc4e2ba9", [0, 4096]),
  hex("bcache device", "c68573f64e1a45ca8265f57f48ba6d81", [4120]),
  hex("bcachefs", "c68573f666ce90a9d96a60cf803df7ef", [4120]),
  text("Ceph BlueStore device", "bluestore block device", [0]),
  text("VDO device", "dmvdo001", [0]),
  text("Stratis device", "!Stra0tis", [516, 4612]),
  text("device-mapper snapshot store", "SnAp", [0]),
  text("device-mapper integrity device", "integrt\0", [0]),
  text("device-mapper verity device", "verity\0\0", [0]),
  text("GPT partition table", "EFI PART", [512, 4096]),
  ...["SWAPSPACE2", "SWAP-SPACE"].map((magic) =>
    text(
      "swap space",
      magic,
      SWAP_PAGES.map((page) => page - 10),
    ),
  ),
  ...["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"].map((magic) =>
    text(
      "swap space with a hibernated system",
      magic,
      SWAP_PAGES.map((page) => page - 10),
    ),
  ),
  hex("xfs external log", "feedbabe", [0]),
  text("BitLocker encrypted device", "-FVE-FS-", [3]),
  text("ntfs", "NTFS    ", [3]),
  text("exfat", "EXFAT   ", [3]),
  ...["FAT12   ", "FAT16   "].map((magic) => text("vfat", magic, [54])),
  text("vfat", "FAT32   ", [82]),
  hex("f2fs", "1020f5f2", [1024, 5120]),
  hex("erofs", "e2e1f5e0", [1024]),
  text("squashfs", "hsqs", [0]),
  hex("cramfs", "453dcd28", [0]),
  text("iso9660", "CD001", [32769]),
  text("udf", "BEA01", [32769]),
  text("ReiserFS", "ReIsEr", [8192 + 52, 65536, 65536 + 52]),
  text("jfs", "JFS1", [32768]),
  text("ocfs2", "OCFSV2", [1024, 2048, 4096, 8192]),
  hex("gfs2", "01161970", [65536]),
  hex("ufs", "54190100", [8192 + 1372, 65536 + 1372]),
  text("apfs", "NXSB", [32]),
  hex("vmfs", "0dd001c0", [2 ** 20]),
];

function atEnd(deviceBytes: number): readonly Signature[] {
  const blocks4k = Math.floor(deviceBytes / 4096) * 4096;
  return [
    hex("md RAID member (metadata 1.0)", "fc4e2ba9", [Math.floor((deviceBytes - 8192) / 4096) * 4096]),
    ...["fc4e2ba9", "a92b4efc"].map((magic) =>
      hex("md RAID member (metadata 0.90)", magic, [Math.floor(deviceBytes / 65536) * 65536 - 65536]),
    ),
    text("Intel firmware RAID member", "Intel Raid ISM Cfg Sig. ", [deviceBytes - 1024]),
    hex("DDF firmware RAID member", "de11de11", [deviceBytes - 512]),
    hex("DRBD device", "837402", [blocks4k - 4096 + 60]),
    text("GPT partition table (its copy at the end)", "EFI PART", [deviceBytes - 512, deviceBytes - 4096]),
  ];
}

/** ZFS keeps four labels of 256 KiB, two at each end, with uberblocks from their middle on. */
function hasZfsLabel(read: ReadBytes, deviceBytes: number): boolean {
  const label = 256 * 1024;
  const end = Math.floor(deviceBytes / label) * label;
  const magics = [Buffer.from("0cb1ba0000000000", "hex"), Buffer.from("0000000000bab10c", "hex")];
  return [0, label, end - 2 * label, end - label].some((start) => {
    const slots = Array.from({ length: 128 }, (_, slot) => start + label / 2 + slot * 1024);
    return slots.some((offset) => magics.some((magic) => startsWith(read(offset, magic.length), magic)));
  });
}

function findBootSector(read: ReadBytes): string | undefined {
  const sector = read(0, 512);
  if (sector === undefined || sector[510] !== 0x55 || sector[511] !== 0xaa) return undefined;
  const entries = [446, 462, 478, 494].map((offset) => sector.subarray(offset, offset + 16));
  const isTable =
    entries.every((entry) => entry[0] === 0 || entry[0] === 0x80) && entries.some((entry) => (entry[4] ?? 0) !== 0);
  return isTable ? "DOS partition table" : "boot sector";
}

function text(name: string, magic: string, offsets: readonly number[]): Signature {
  return { name, magic: Buffer.from(magic, "latin1"), offsets };
}

function hex(name: string, magic: string, offsets: readonly number[]): Signature {
  return { name, magic: Buffer.from(magic, "hex"), offsets };
}
