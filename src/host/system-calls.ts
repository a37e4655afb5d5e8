import { constants as fileConstants } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";
import { SystemError } from "../errors.ts";
import type { ByteRange } from "./host.ts";

/**
 * The system calls that Node has no function for. All of them are synchronous and may wait for a disk, so this file is
 * loaded only by the worker threads.
 */

// The numbers are those of the kernel's generic ABI (x86-64, arm64, riscv64), from its uapi headers.
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;
const UMOUNT_NOFOLLOW = 8;
const POSIX_FADV_DONTNEED = 4;
const MADV_DONTNEED = 4;
const MADV_COLD = 20;
const LOCK_EX = 2;
const LOCK_NB = 4;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
// The C library has functions for these since glibc 2.36 only. New calls have one number on all architectures.
const SYS_OPEN_TREE = 428;
const SYS_MOVE_MOUNT = 429;
const SYS_MOUNT_SETATTR = 442;
const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;
const FS_IOC_GETFSLABEL = 0x81009431;
const FS_IOC_SETFSLABEL = 0x41009432;
const LABEL_BYTES = 256;
const EXT4_IOC_RESIZE_FS = 0x40086610;
const SIG_BLOCK = 0;
/** No C library has a larger sigset_t. */
const SIGNAL_SET_BYTES = 128;

/** mount(2) hands on a page at most and cuts what is longer without a word; pages of 4096 bytes are the smallest. */
const MAXIMUM_MOUNT_DATA_BYTES = 4095;

/** Flags of open(2) by which a name is looked up without opening what it stands for. */
export const LOOK_UP = O_PATH | O_CLOEXEC | fileConstants.O_NOFOLLOW;
/** Flags of open(2) by which a new empty file is made. */
export const CREATE_FILE =
  fileConstants.O_CREAT | fileConstants.O_EXCL | fileConstants.O_WRONLY | fileConstants.O_NOFOLLOW | O_CLOEXEC;

/** The C library. */
export const libc = koffi.load(null);
const errnoNames = namesOfErrno();

const cOpenat: (directory: number, path: string, flags: number, ...mode: ["uint", number]) => number = libc.func(
  "int openat(int directory, const char *path, int flags, ...)",
);
const cMkdirat: (directory: number, path: string, mode: number) => number = libc.func(
  "int mkdirat(int directory, const char *path, unsigned int mode)",
);
const cUnlinkat: (directory: number, path: string, flags: number) => number = libc.func(
  "int unlinkat(int directory, const char *path, int flags)",
);
const cMount: (
  source: string | null,
  target: string,
  type: string | null,
  ...flagsAndData: [number, string | null]
) => number = libc.func(
  "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
);
const cUmount2: (target: string, flags: number) => number = libc.func("int umount2(const char *target, int flags)");
const cIoctl: (fd: number, request: number, type: "uint64_t *", range: BigUint64Array) => number = libc.func(
  "int ioctl(int fd, unsigned long request, ...)",
);
const cSyscall: (number: number, ...typesAndValues: readonly unknown[]) => number = libc.func(
  "long syscall(long number, ...)",
);
const cMallocTrim: (pad: number) => number = libc.func("int malloc_trim(size_t pad)");
const cMadvise: (start: number, bytes: number, advice: number) => number = libc.func(
  "int madvise(uintptr_t start, size_t bytes, int advice)",
);
const cSyncfs: (fd: number) => number = libc.func("int syncfs(int fd)");
const cFlock: (fd: number, operation: number) => number = libc.func("int flock(int fd, int operation)");
const cSigaddset: (signals: Uint8Array, signal: number) => number = libc.func(
  "int sigaddset(void *signals, int signal)",
);
const cSigmask: (how: number, signals: Uint8Array, old: null) => number = libc.func(
  "int pthread_sigmask(int how, void *signals, void *old)",
);
const cFadvise: (fd: number, offset: number, length: number, advice: number) => number = libc.func(
  "int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)",
);

/** Looks a name up in a directory, or from the root if there is none. `mode` counts with O_CREAT alone. */
export function openat(directory: number | undefined, name: string, flags: number, mode = 0): number {
  return check(`open ${name}`, cOpenat(directory ?? AT_FDCWD, name, flags, "uint", mode));
}

export function mkdirat(directory: number, name: string, mode: number): void {
  check(`mkdir ${name}`, cMkdirat(directory, name, mode));
}

export function unlinkat(directory: number, name: string): void {
  check(`unlink ${name}`, cUnlinkat(directory, name, 0));
}

export function rmdirat(directory: number, name: string): void {
  check(`rmdir ${name}`, cUnlinkat(directory, name, AT_REMOVEDIR));
}

export interface MountArguments {
  readonly source: string | null;
  readonly target: string;
  readonly type: string | null;
  readonly flags: number;
  readonly data: string | null;
}

export function mount({ source, target, type, flags, data }: MountArguments): void {
  if ([source, type, data].some((text) => text?.includes("\0"))) {
    throw new SystemError("EINVAL", "mount: a NUL character in an argument");
  }
  if (data !== null && Buffer.byteLength(data) > MAXIMUM_MOUNT_DATA_BYTES) {
    throw new SystemError("EINVAL", `mount: options longer than ${MAXIMUM_MOUNT_DATA_BYTES} bytes`);
  }
  check(`mount ${source ?? target}`, cMount(source, target, type, flags, data));
}

/** Takes the topmost mount away. The last component of the path is not followed. */
export function unmount(target: string): void {
  check("umount", cUmount2(target, UMOUNT_NOFOLLOW));
}

/** A mount that shows the same as the descriptor's and is attached nowhere. It goes away with its descriptor. */
export function cloneMount(fd: number): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH;
  return check("open_tree", cSyscall(SYS_OPEN_TREE, "int", fd, "str", "", "uint", flags));
}

/** Clears attributes of a mount, then sets others: bits of `struct mount_attr` (mount_setattr(2)). */
export function setMountAttributes(fd: number, clear: number, set: number): void {
  const attributes = BigUint64Array.of(BigInt(set), BigInt(clear), 0n, 0n);
  const call = ["int", fd, "str", "", "uint", AT_EMPTY_PATH, "uint64_t *", attributes];
  check("mount_setattr", cSyscall(SYS_MOUNT_SETATTR, ...call, "size_t", attributes.byteLength));
}

/** Attaches a mount that is attached nowhere. */
export function attachMount(fd: number, target: number): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  check("move_mount", cSyscall(SYS_MOVE_MOUNT, "int", fd, "str", "", "int", target, "str", "", "uint", flags));
}

export function zeroOut(fd: number, range: ByteRange): void {
  check("BLKZEROOUT", cIoctl(fd, BLKZEROOUT, "uint64_t *", rangeArgument(range)));
}

export function discard(fd: number, range: ByteRange): void {
  check("BLKDISCARD", cIoctl(fd, BLKDISCARD, "uint64_t *", rangeArgument(range)));
}

export function syncfs(fd: number): void {
  check("syncfs", cSyncfs(fd));
}

/** Grows the mounted ext4 to that many of its blocks. @throws SystemError EBUSY while it is being grown, EROFS */
export function resizeExt4(fd: number, blocks: number): void {
  check("EXT4_IOC_RESIZE_FS", cIoctl(fd, EXT4_IOC_RESIZE_FS, "uint64_t *", BigUint64Array.of(BigInt(blocks))));
}

/**
 * Gives a mounted filesystem the label that it has. xfs then writes its superblock to its place at once
 * (ioctl_fslabel(2); Linux, fs/xfs/xfs_ioctl.c, xfs_ioc_setlabel).
 */
export function setSameLabel(fd: number): void {
  const label = new BigUint64Array(LABEL_BYTES / BigUint64Array.BYTES_PER_ELEMENT);
  check("FS_IOC_GETFSLABEL", cIoctl(fd, FS_IOC_GETFSLABEL, "uint64_t *", label));
  check("FS_IOC_SETFSLABEL", cIoctl(fd, FS_IOC_SETFSLABEL, "uint64_t *", label));
}

/**
 * Locks what is open here for itself alone, until the last copy of the descriptor is closed, in whatever process it is.
 * @throws SystemError EAGAIN when it is locked already
 */
export function lockExclusively(fd: number): void {
  check("flock", cFlock(fd, LOCK_EX | LOCK_NB));
}

/** Keeps a signal from this thread alone; others of the process still get it. */
export function blockSignal(signal: number): void {
  const signals = new Uint8Array(SIGNAL_SET_BYTES);
  check("sigaddset", cSigaddset(signals, signal));
  requireZero("pthread_sigmask", cSigmask(SIG_BLOCK, signals, null));
}

/** Drops the clean pages that the page cache holds of the range. */
export function dropCached(fd: number, range: ByteRange): void {
  requireZero("posix_fadvise", cFadvise(fd, range.offset, range.length, POSIX_FADV_DONTNEED));
}

/** Gives memory that the C library keeps for later back to the kernel (malloc_trim(3)). */
export function releaseMemory(): void {
  cMallocTrim(0);
}

/**
 * Takes pages of a mapping out of this process; what was changed in them is lost. Both in bytes, whole pages. Those that
 * the kernel will not take, because they are locked in memory, stay. They are declared cold first (Linux 5.4): the page
 * cache would keep them as ones that have just been used, and they would count as this process's working set.
 */
export function dropPages(start: number, bytes: number): void {
  cMadvise(start, bytes, MADV_COLD);
  cMadvise(start, bytes, MADV_DONTNEED);
}

/** What a function of the C library that gives back an error number says. @throws SystemError */
export function requireZero(call: string, errno: number): void {
  if (errno !== 0) {
    throw systemError(call, errno);
  }
}

function rangeArgument(range: ByteRange): BigUint64Array {
  return BigUint64Array.of(BigInt(range.offset), BigInt(range.length));
}

/** What a function of the C library gave back, if that is not negative. @throws SystemError with its errno */
export function check(call: string, result: number): number {
  if (result < 0) {
    throw systemError(call, koffi.errno());
  }
  return result;
}

function systemError(call: string, errno: number): SystemError {
  const code = errnoNames.get(errno) ?? `E${errno}`;
  return new SystemError(code, `${call}: ${code}`);
}

function namesOfErrno(): ReadonlyMap<number, string> {
  // Two numbers have two names each on Linux; the manual pages of the calls above use the other one.
  const names = Object.entries(constants.errno).filter(([name]) => name !== "EWOULDBLOCK" && name !== "ENOTSUP");
  return new Map(names.map(([name, errno]) => [errno, name]));
}
