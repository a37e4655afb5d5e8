import type { MountFlag } from "./host.ts";

/** Flags of mount(2) that say what it does, from the kernel's uapi header linux/mount.h. */
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_PRIVATE = 1 << 18;

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

/** The same for one mount in `struct mount_attr` of mount_setattr(2); the other flags belong to the filesystem. */
const attributes: Readonly<Partial<Record<MountFlag, number>>> = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  relatime: 0,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
};
const PLAIN_ATTRIBUTES = 0xf;
/** Which times are kept is one choice of three, and a bit of its own for directories. */
const TIME_ATTRIBUTES = 0xf0;
const timeFlags: ReadonlySet<MountFlag> = new Set(["relatime", "noatime", "strictatime", "nodiratime"]);

/** What to clear and what to set so that a mount has exactly these flags; without one about times, those stay. */
export function mountAttributes(flags: readonly MountFlag[]): { readonly clear: number; readonly set: number } {
  const times = flags.some((flag) => timeFlags.has(flag)) ? TIME_ATTRIBUTES : 0;
  const set = flags.reduce((all, flag) => all | (attributes[flag] ?? 0), 0);
  return { clear: PLAIN_ATTRIBUTES | times, set };
}

export function mountFlagBits(flags: readonly MountFlag[]): number {
  return flags.reduce((all, flag) => all | bits[flag], 0);
}
