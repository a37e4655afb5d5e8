import { crc32 } from "node:zlib";

/** LVM's checksum: CRC-32 that starts with a number of its own and is not inverted (lib/misc/crc.c in LVM2). */
export function checksum(bytes: Uint8Array): number {
  return ~crc32(bytes, ~initialValue >>> 0) >>> 0;
}

const initialValue = 0xf597a6cf;
