import { createHash } from "node:crypto";

/** Which logical volume a CSI volume id names: `<topology value>/<volume group>/<logical volume>`. */
export interface VolumeId {
  readonly topologyValue: string;
  readonly volumeGroup: string;
  readonly logicalVolume: string;
}

const topologyValuePattern = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const volumeGroupPattern = /^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$/;
const generatedName = /^csi-[0-9a-f]{32}$/;
const claimName = /^pvc-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Parses a volume id. Undefined means that this driver cannot have made it, on any node. */
export function parseVolumeId(text: string): VolumeId | undefined {
  if (Buffer.byteLength(text) > 128) return undefined;
  const [, topologyValue, volumeGroup, logicalVolume] = /^([^/]+)\/([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (topologyValue === undefined || volumeGroup === undefined || logicalVolume === undefined) return undefined;
  if (!topologyValuePattern.test(topologyValue) || !volumeGroupPattern.test(volumeGroup)) return undefined;
  if (!claimName.test(logicalVolume) && !generatedName.test(logicalVolume)) return undefined;
  return { topologyValue, volumeGroup, logicalVolume };
}

export function formatVolumeId(id: VolumeId): string {
  return `${id.topologyValue}/${id.volumeGroup}/${id.logicalVolume}`;
}

/**
 * The logical volume's name for the name in CreateVolume: csi-provisioner's `pvc-<uuid>` as it is, so that an operator
 * finds it in lvs; a digest of every other, since CSI allows 128 bytes of nearly any Unicode (specification, "Size
 * Limits") and lvm(8) far less.
 */
export function logicalVolumeName(name: string): string {
  if (claimName.test(name)) return name;
  return `csi-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/** The name of the scratch volume that is zeroed to grow this one. No volume id can name it. */
export function scratchName(logicalVolume: string): string {
  return `grow-${logicalVolume}`;
}

/** The logical volume that a scratch volume of this name is for; undefined if none has such a name. */
export function ownerOfScratch(name: string): string | undefined {
  const owner = name.startsWith("grow-") ? name.slice("grow-".length) : "";
  return claimName.test(owner) || generatedName.test(owner) ? owner : undefined;
}
