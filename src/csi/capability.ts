import { quote } from "../errors.ts";
import type { Access, AccessMode } from "../volume/access.ts";
import { invalid } from "./fields.ts";
import type { VolumeCapability__Output } from "./generated/csi/v1/VolumeCapability.ts";

/** Total size of mount_flags (CSI specification, VolumeCapability.MountVolume). */
const mountFlagBytes = 4096;

const modes: Readonly<Record<string, AccessMode>> = {
  // With SINGLE_NODE_MULTI_WRITER on offer this one is for older callers; a claim's pods of one node share the volume.
  SINGLE_NODE_WRITER: "shared",
  SINGLE_NODE_MULTI_WRITER: "shared",
  SINGLE_NODE_SINGLE_WRITER: "single",
  SINGLE_NODE_READER_ONLY: "readOnly",
};

/** @throws VolumeError invalidArgument naming the field and the reason */
export function parseCapabilities(capabilities: readonly VolumeCapability__Output[]): readonly Access[] {
  if (capabilities.length === 0) throw invalid("volume_capabilities is missing");
  return capabilities.map((capability) => parseCapability(capability, "volume_capabilities"));
}

/** @throws VolumeError invalidArgument naming the field and the reason */
export function parseCapability(
  capability: VolumeCapability__Output | null,
  field: "volume_capability" | "volume_capabilities" = "volume_capability",
): Access {
  if (capability === null) throw invalid(`${field} is missing`);
  const mode = parseMode(capability, field);
  if (capability.block) return { kind: "block", mode };
  if (!capability.mount) throw invalid(`${field} asks for neither mount nor block`);
  const { fsType, mountFlags, volumeMountGroup } = capability.mount;
  if (volumeMountGroup !== "") {
    throw invalid(
      `${field}.mount.volume_mount_group is not supported; ext4, xfs and btrfs have no mount option for it`,
    );
  }
  if (Buffer.byteLength(fsType) > 128) throw invalid(`${field}.mount.fs_type is longer than 128 bytes`);
  if (Buffer.byteLength(mountFlags.join("")) > mountFlagBytes) {
    throw invalid(`${field}.mount.mount_flags have more than ${mountFlagBytes} bytes together`);
  }
  return { kind: "mount", mode, filesystem: fsType, mountFlags };
}

function parseMode({ accessMode }: VolumeCapability__Output, field: string): AccessMode {
  if (accessMode === null) throw invalid(`${field}.access_mode is missing`);
  const mode = Object.hasOwn(modes, accessMode.mode) ? modes[accessMode.mode] : undefined;
  if (mode !== undefined) return mode;
  const known = Object.keys(modes).join(", ");
  throw invalid(`${field}.access_mode ${quote(accessMode.mode)} is not supported by a local volume; one of ${known}`);
}
