/**
 * The one port: everything that the driver does to the machine goes through these interfaces, so that a test can
 * count it, hold it up, or end the process before or after any of it.
 *
 * Every method that can wait for a disk runs outside the main thread and outside libuv's pool (docs/decisions.md).
 * A refused system call is a `SystemError` whose `code` is the errno's name.
 */
export interface Host {
  readonly devices: Devices;
  readonly mounts: Mounts;
  readonly programs: Programs;
  readonly lvm: LvmLauncher;
  /**
   * Makes the file if it is absent, its directory too, and holds its lock (flock(2)) for as long as this process lives.
   * @throws SystemError EBUSY when another process holds it
   */
  holdLock(path: string): Promise<void>;
  /** Whether the kernel's device-mapper can be opened: it is there, and this process may. */
  hasDeviceMapper(): boolean;
  /** Those of the programs that are not on the PATH. */
  missingPrograms(files: readonly string[]): readonly string[];
}

/** A whole disk, a partition or a device-mapper device, as sysfs describes it. */
export interface BlockDevice {
  /** The kernel's name: "sda1", "dm-3". Its node is `/dev/<name>` ("!" in the name stands for "/"). */
  readonly name: string;
  /** "major:minor" in decimal. */
  readonly number: string;
  readonly sizeBytes: number;
  /** Kernel names of the devices stacked on this one. */
  readonly holders: readonly string[];
  readonly mapping: DeviceMapping | undefined;
  /** The file behind a loop device, as the kernel names it (loop(4)); undefined for every other device. */
  readonly backingFile?: string | undefined;
}

/** What sysfs says of a device-mapper device. */
export interface DeviceMapping {
  /** "vg0-data": volume group and logical volume, hyphens inside them doubled. */
  readonly name: string;
  /** "LVM-" and the uuids of volume group and logical volume without hyphens, for a logical volume. */
  readonly uuid: string;
  readonly suspended: boolean;
}

/** A run of bytes on a device. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface Devices {
  /** All, with partitions. A logical volume's is as when first listed, but its holders; those are no volumes. */
  list(): Promise<readonly BlockDevice[]>;
  /** These three, by "dm-3", by device-mapper's name and by "major:minor", look in sysfs, and open nothing. */
  findNamed(kernelName: string): Promise<BlockDevice | undefined>;
  findMapping(name: string): Promise<BlockDevice | undefined>;
  findNumber(number: string): Promise<BlockDevice | undefined>;
  /**
   * Reads the ranges past the page cache's old content, one result each, in order.
   * @throws SystemError ESTALE when the node is no longer the device described, EIO and others of open(2), read(2);
   * "ENODATA" when a range ends behind the device.
   */
  read(device: BlockDevice, ranges: readonly ByteRange[]): Promise<readonly Uint8Array[]>;
  /** Makes what was written to the device durable (fdatasync of its node). */
  flush(device: BlockDevice): Promise<void>;
  /**
   * Resolves when the disk under the device has answered a small read, however long it hangs. Of one disk's volumes one
   * is read at a time, or none if the disk answered a moment ago, or while the call waited; none waits for another disk.
   * @throws SystemError as `read` does; EAGAIN when too many wait for that disk
   */
  checkDisk(device: BlockDevice): Promise<void>;
  /**
   * Opens for writing with O_EXCL, which fails with EBUSY while the device is mounted, is held by another device or is
   * open O_EXCL elsewhere (open(2)). The caller closes it.
   */
  openExclusive(device: BlockDevice): Promise<WritableDevice>;
  /**
   * Opens for writing a device that may be in use: only for bytes that none of its users can know yet, such as those
   * that it has just grown by. The caller closes it.
   */
  openShared(device: BlockDevice): Promise<WritableDevice>;
  /**
   * Keeps the device open for reading, so that it can be neither deactivated nor its number given to another, while a
   * program is told the path of its node. The caller closes it.
   * @throws SystemError as `read` does
   */
  hold(device: BlockDevice): Promise<HeldDevice>;
}

/** A device that stays what it is until it is closed, and until every program that was given it has ended. */
export interface HeldDevice {
  readonly device: BlockDevice;
  /** The number of its open descriptor, for a program to inherit. */
  readonly fd: number;
  close(): Promise<void>;
}

/** A device that is open for writing, until it is closed. */
export interface WritableDevice {
  read(ranges: readonly ByteRange[]): Promise<readonly Uint8Array[]>;
  /** Reads the ranges as `read` does, and tells whether every byte of them is zero. */
  holdsZeroes(ranges: readonly ByteRange[]): Promise<boolean>;
  /** Writes zeroes (BLKZEROOUT). At most 256 MiB a call, so that work can be stopped and shown between calls. */
  zero(range: ByteRange): Promise<void>;
  /** Tells the device to forget the range (BLKDISCARD). At most 256 MiB a call. @throws SystemError EOPNOTSUPP */
  discard(range: ByteRange): Promise<void>;
  /** Writes random bytes. At most 64 MiB a call. */
  scramble(range: ByteRange): Promise<void>;
  /** Makes what was written durable (fdatasync). */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), escapes undone. */
export interface MountEntry {
  readonly id: number;
  /** "major:minor" of the filesystem; an anonymous number for btrfs. */
  readonly number: string;
  /** What of the filesystem is mounted: "/" for all of it, "/dm-3" for a bind-mounted device node. */
  readonly root: string;
  readonly target: string;
  /** Options of this mount: "ro", "relatime", ... */
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Options of the filesystem: "rw", "errors=continue", ... */
  readonly superOptions: readonly string[];
}

/** The flags of mount(2) that the driver uses, by the names mount(8) gives them. */
export type MountFlag = AccessFlag | TimeFlag | "sync" | "dirsync" | "silent";
type AccessFlag = "ro" | "nosuid" | "nodev" | "noexec";
type TimeFlag = "noatime" | "nodiratime" | "relatime" | "strictatime" | "lazytime";

export interface FilesystemMount {
  readonly device: BlockDevice;
  readonly type: string;
  readonly flags: readonly MountFlag[];
  /** Options for the filesystem itself, as mount(2) takes them: "discard,context=...". */
  readonly data: string;
  readonly target: string;
}

export interface BindMount {
  /** A mounted directory, given with the mount that must be found there, or the node of a device. */
  readonly source: { readonly path: string; readonly mountId: number } | { readonly device: BlockDevice };
  readonly target: string;
  /** Of the new mount alone; without any it has those of the source's. */
  readonly flags: readonly MountFlag[];
}

/** What stands at a path, its last component not followed. */
export type PathKind = "absent" | "directory" | "file" | "blockDevice" | "symlink" | "other";

export interface PathStatus {
  readonly kind: PathKind;
  /** "major:minor" that a device node stands for. */
  readonly deviceNumber: string | undefined;
  readonly mountId: number | undefined;
}

/** Bytes and inodes of a mounted filesystem, from statfs(2). */
export interface FilesystemUsage {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly totalInodes: number;
  readonly availableInodes: number;
  readonly usedInodes: number;
}

/**
 * Paths given here are absolute and lie below the kubelet directory. Each component is opened with O_NOFOLLOW from
 * there, so a symlink anywhere in it is ELOOP, and `..` or a path elsewhere is EXDEV (CVE-2017-1002101, CVE-2021-25741).
 */
export interface Mounts {
  /** The kubelet directory as it was given, and what it resolved to at start (it is a symlink on some systems). */
  readonly kubeletDirectory: { readonly given: string; readonly resolved: string };
  /** @param ageMs what was read at most so many milliseconds ago will do; 0 if left out. */
  table(ageMs?: number): Promise<readonly MountEntry[]>;
  /** ENOENT of a parent is "absent" too. A corrupted mount (EIO, ENOTCONN, ESTALE) is "other". */
  status(path: string): Promise<PathStatus>;
  /** Makes the last component if it is absent. EEXIST when something else is there, ENOTEMPTY when it has contents. */
  makeDirectory(path: string): Promise<void>;
  /** Makes an empty file likewise. */
  makeFile(path: string): Promise<void>;
  /** Mounts a device. @throws SystemError of mount(2); ESTALE when the node is no longer the device described. */
  mount(mount: FilesystemMount): Promise<void>;
  /**
   * Makes a bind mount that has these flags from its first moment, here and in all namespaces that it is copied to.
   * @throws SystemError ESTALE when the source is not what was named.
   */
  bind(mount: BindMount): Promise<void>;
  /** Takes away the topmost mount at the path (umount2 with UMOUNT_NOFOLLOW; never lazy, never forced). */
  unmount(path: string): Promise<void>;
  /** Removes an empty directory, or a file of no bytes; nothing there is no error. ENOTEMPTY otherwise. */
  remove(path: string): Promise<void>;
  /** statfs(2) of the mount there. @throws SystemError ESTALE when it is another one, EIO when it is shut down. */
  usage(path: string, mountId: number): Promise<FilesystemUsage>;
  /** Grows the ext4 there to that many of its blocks. @throws SystemError EBUSY while it grows, EPERM if damaged */
  growExt4(path: string, mountId: number, blocks: number): Promise<void>;
  /** Writes all of the mounted filesystem to its disk (syncfs(2)), the superblock of xfs in its place included. */
  sync(path: string, mountId: number): Promise<void>;
  /** Kernel names of the block devices of each mounted btrfs filesystem, from /sys/fs/btrfs. */
  btrfsDevices(): Promise<readonly string[]>;
  /** Errors that the ext4 mounted from the device has met since its last check, from /sys/fs/ext4; 0 without one. */
  ext4Errors(device: BlockDevice): Promise<number>;
}

export interface ProgramResult {
  readonly exitCode: number;
  /** At most 64 KiB of each, the end kept. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface Programs {
  /**
   * Runs a program to its end, without a shell, and never kills it: a killed mkfs or fsck is worse than a late one.
   * It has a session of its own, so neither Ctrl-C nor the driver's death reaches it. Where the driver is the first
   * process of a container, the kernel ends it with the driver all the same (pid_namespaces(7)).
   *
   * With `held`, no other program that was given the same device runs until this one has ended, whoever started it and
   * whether or not the driver lives: mkfs.btrfs, for one, opens its device without O_EXCL. The program inherits the
   * open device, so that it stays what it is even before the program itself opens its node.
   * @throws SystemError ENOENT when it is not installed; EBUSY when a program given that device is still at work.
   */
  run(file: string, args: readonly string[], held?: HeldDevice): Promise<ProgramResult>;
}

export interface LvmLauncher {
  /** Starts `lvm` as a long-lived process that reads commands; its lvm.conf, with this content, goes when it ends. */
  start(configuration: string): Promise<LvmProcess>;
}

/** A running `lvm`. One command at a time. */
export interface LvmProcess {
  /**
   * Sends one line and resolves to the JSON object that the process reports for it on its report descriptor.
   * Rejects with SystemError "EPIPE" when the process ends first: the command's outcome is then unknown.
   */
  execute(line: string): Promise<unknown>;
  /** Resident memory in bytes. @throws SystemError ESRCH when it has ended */
  memoryBytes(): number;
  /** Closes its input and waits for its end. Never kills it. */
  end(): Promise<void>;
  readonly exited: Promise<void>;
}
