import { VolumeError, quote } from "../errors.ts";
import { parseMountOptions } from "../filesystem/mount-options.ts";
import { type FilesystemName, filesystemNames, isFilesystemName } from "../filesystem/names.ts";
import type { Volume } from "./context.ts";

/**
 * Who may use a volume at a time: the pods of one node together, one pod alone (ReadWriteOncePod), or pods that only
 * read.
 */
export type AccessMode = "shared" | "single" | "readOnly";

/** A VolumeCapability of a request. */
export type Access =
  | { readonly kind: "block"; readonly mode: AccessMode }
  | {
      readonly kind: "mount";
      readonly mode: AccessMode;
      /** As it was sent; "" stands for the volume's own. */
      readonly filesystem: string;
      readonly mountFlags: readonly string[];
    };

const defaultFilesystem: FilesystemName = "ext4";

/**
 * The filesystem of a new volume: the capability's, else the StorageClass's, else ext4; undefined for raw block.
 * @throws VolumeError invalidArgument for contradicting capabilities, an unknown filesystem or mount option.
 */
export function newFilesystem(
  accesses: readonly Access[],
  classFilesystem: string | undefined,
): FilesystemName | undefined {
  const kinds = new Set(accesses.map((access) => access.kind));
  if (kinds.size > 1) throw invalid("volume_capabilities ask for mount and block at once; a volume is one of them");
  if (kinds.has("block")) return undefined;
  const mounts = accesses.filter((access) => access.kind === "mount");
  const names = new Set(mounts.map((access) => access.filesystem || classFilesystem || defaultFilesystem));
  const [name = classFilesystem ?? defaultFilesystem, ...others] = names;
  if (others.length > 0)
    throw invalid(`volume_capabilities ask for several filesystems: ${[...names].map(quote).join(", ")}`);
  if (!isFilesystemName(name)) {
    throw invalid(`volume_capability.mount.fs_type ${quote(name)} is unknown; one of ${filesystemNames.join(", ")}`);
  }
  for (const access of mounts) parseMountOptions(name, access.mountFlags);
  return name;
}

/**
 * Makes sure that a volume can be used in this way.
 * @throws VolumeError failedPrecondition for the other access type or filesystem; aborted while it is being made.
 */
export function assertUsable(volume: Volume, access: Access): void {
  const { record, state, logicalVolume } = volume;
  const name = `${state.name}/${logicalVolume.name}`;
  if (record.state === "creating") throw new VolumeError("aborted", `${name} is still being made; try again`);
  if (record.state === "removing") throw new VolumeError("failedPrecondition", `${name} is being removed`);
  const difference = accessDifference(volume, access);
  if (difference !== undefined) throw new VolumeError("failedPrecondition", `${name} ${difference}`);
}

/** How a volume's kind differs from what a capability asks for; undefined if it does not. */
export function accessDifference({ record }: Volume, access: Access): string | undefined {
  const is = record.filesystem ?? "raw block";
  if (access.kind === "block")
    return record.filesystem === undefined ? undefined : `was made for ${is}, not for raw block`;
  const wants = access.filesystem || record.filesystem || "a filesystem";
  return wants === record.filesystem ? undefined : `was made for ${is}, not for ${quote(wants)}`;
}

function invalid(message: string): VolumeError {
  return new VolumeError("invalidArgument", message);
}
