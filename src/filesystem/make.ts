import { VolumeError, quote } from "../errors.ts";
import type { ProgramResult, Programs } from "../host/host.ts";
import type { FilesystemName } from "./names.ts";
import { describeFailure } from "./tool.ts";

export interface MakeOptions {
  /** Write over what is there. Without it mkfs.xfs and mkfs.btrfs refuse a device on which they know something. */
  readonly force: boolean;
  /** Arguments from `parseMkfsOptions`; they go before the driver's own choices. */
  readonly extra: readonly string[];
}

/**
 * Makes a filesystem. Never called without proof that the device holds nobody's data: mkfs.ext4 asks only a terminal
 * before it writes over a filesystem.
 * @throws VolumeError with the last words of the program, failedPrecondition where it refuses what `extra` says, else
 * internal; SystemError ENOENT when it is not installed.
 */
export async function make(
  programs: Pick<Programs, "run">,
  filesystem: FilesystemName,
  devicePath: string,
  options: MakeOptions,
): Promise<void> {
  const program = `mkfs.${filesystem}`;
  const result = await programs.run(program, [...ARGUMENTS[filesystem](options), "--", devicePath]);
  if (result.exitCode !== 0) throw failure(`${program} ${devicePath}`, result, options.extra);
}

/**
 * Which values go together, and with which size, only mkfs knows. It ends with 1 for that as for a disk that fails; a
 * failing disk or machine shows in its words, which are those of strerror(3); mkfs.btrfs then always names EPERM.
 */
function failure(program: string, result: ProgramResult, extra: readonly string[]): VolumeError {
  const words = describeFailure(program, result);
  if (extra.length === 0 || MACHINE_FAULT.test(`${result.stdout}${result.stderr}`)) {
    return new VolumeError("internal", words);
  }
  const advice = "make a new volume of a class that says otherwise";
  return new VolumeError("failedPrecondition", `with mkfsOptions ${quote(extra.join(" "))} ${words}; ${advice}`);
}

const MACHINE_FAULT = new RegExp(
  [
    "Input/output error|I/O error|No data available|Invalid exchange|Link has been severed|Connection timed out",
    "No space left on device|No such (device|file)|Device or resource busy|Read-only file system",
    "Cannot allocate memory|Permission denied|Operation not permitted|short (read|write)",
  ].join("|"),
  "i",
);

const ARGUMENTS: Readonly<Record<FilesystemName, (options: MakeOptions) => readonly string[]>> = {
  ext4: ext4Arguments,
  xfs: xfsArguments,
  btrfs: btrfsArguments,
};

/**
 * Blocks of 4 KiB also on a small volume: it may grow far, and 1 KiB blocks cannot be mounted from a disk with sectors
 * of 4 KiB. No blocks kept for root: pods' data only. The inode tables are zeroed by the kernel after the first mount,
 * but the journal at once: an old journal on a recycled volume could be replayed (mke2fs(8), lazy_journal_init). For
 * the same reason the device is never taken as zeroed (assume_storage_prezeroed).
 * mke2fs(8) takes only the last -E.
 */
function ext4Arguments({ force, extra }: MakeOptions): readonly string[] {
  const given = pairs(extra);
  const extended = ["nodiscard", given.get("-E")].filter((each) => each !== undefined).join(",");
  const lazy = extended.includes("lazy_itable_init=") ? "" : ",lazy_itable_init=1";
  given.set("-b", given.get("-b") ?? "4096");
  given.set("-m", given.get("-m") ?? "0");
  given.set("-E", `${extended}${lazy}`);
  return ["-q", ...(force ? ["-F"] : []), ...flatten(given)];
}

/**
 * What xfsprogs 6 switches on and kernels before 5.10 (bigtime, inobtcount) or 5.19 (nrext64) refuse to mount stays
 * off unless the class asks for it: a node's kernel may be 4.18, older than the programs in the image
 * (mkfs.xfs(8); topolvm#257, openebs#135). Reflink stays on: 4.18 mounts it.
 */
function xfsArguments({ force, extra }: MakeOptions): readonly string[] {
  const given = pairs(extra);
  for (const [flag, feature] of XFS_NEWER_FEATURES) {
    const value = given.get(flag);
    const isChosen = value?.split(",").some((each) => each.startsWith(`${feature}=`)) === true;
    if (!isChosen) given.set(flag, value === undefined ? `${feature}=0` : `${value},${feature}=0`);
  }
  return ["-q", "-K", ...(force ? ["-f"] : []), ...flatten(given)];
}

const XFS_NEWER_FEATURES = [
  ["-m", "bigtime"],
  ["-m", "inobtcount"],
  ["-i", "nrext64"],
] as const;

/**
 * Everything that mkfs.btrfs 6.2 switches on by itself is known to kernels since 4.5 (free-space-tree, the newest);
 * single data and duplicated metadata are named, for its choice once depended on the kind of disk.
 */
function btrfsArguments({ force, extra }: MakeOptions): readonly string[] {
  const given = pairs(extra);
  given.set("-d", given.get("-d") ?? "single");
  given.set("-m", given.get("-m") ?? "dup");
  return ["-q", "-K", ...(force ? ["-f"] : []), ...flatten(given)];
}

/** Flags with their values, as `parseMkfsOptions` leaves them. */
function pairs(options: readonly string[]): Map<string, string> {
  const result = new Map<string, string>();
  for (let index = 0; index + 1 < options.length; index += 2)
    result.set(options[index] ?? "", options[index + 1] ?? "");
  return result;
}

function flatten(options: ReadonlyMap<string, string>): readonly string[] {
  return [...options].flat();
}
