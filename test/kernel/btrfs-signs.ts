import { crc32c } from "../../src/filesystem/crc32c.ts";

/** How to take each sign of a mount out of a struct btrfs_super_block. */
const erase = {
  uuidTreeGeneration: (superblock: Buffer) => {
    superblock.fill(0, 0x233, 0x23b);
  },
  bigMetadata: (superblock: Buffer) => {
    superblock.writeUInt8(superblock.readUInt8(0xbc) & ~0x20, 0xbc);
  },
  deviceTree: (superblock: Buffer) => {
    for (const backup of [0xb2b, 0xbd3, 0xc7b, 0xd23])
      superblock.copy(superblock, backup + 72, backup + 24, backup + 32);
  },
} as const;

/** What a kernel leaves in the superblock of a btrfs that it mounted, and mkfs.btrfs does not. */
export const btrfsMountSigns = Object.keys(erase) as readonly (keyof typeof erase)[];

/** The start of a btrfs, as it would be if the kernel had not left these signs. */
export function eraseMountSigns(start: Uint8Array, signs: typeof btrfsMountSigns): Uint8Array {
  const changed = Buffer.from(start);
  const superblock = changed.subarray(65536, 65536 + 4096);
  for (const sign of signs) erase[sign](superblock);
  superblock.writeUInt32LE((crc32c(0xffffffff, superblock.subarray(0x20)) ^ 0xffffffff) >>> 0, 0);
  return changed;
}
