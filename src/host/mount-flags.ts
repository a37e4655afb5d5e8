import type { MountFlag } from "./host.ts";

/** Flags of mount(2) that say what it does, from the kernel's uapi header linux/mount.h. */
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;

const bits: Readonly<Record<MountFlag, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  dirsync: 128,
  noatime: 1024,
  nodiratime: 2048,
  silent: 32768,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
};

export function mountFlagBits(flags: readonly MountFlag[]): number {
  return flags.reduce((all, flag) => all | bits[flag], 0);
}
