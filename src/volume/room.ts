import type { Reserve } from "../config.ts";
import { VolumeError } from "../errors.ts";
import type { PhysicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { Layout } from "./parameters.ts";

/** What one new volume of a layout can get of a volume group now. */
export interface Room {
  readonly extents: number;
  readonly bytes: number;
  /** Uuids of the physical volumes that it must lie on; undefined where LVM may choose. */
  readonly physicalVolumes: readonly string[] | undefined;
}

/** The size that CreateVolume or ControllerExpandVolume asks for, in bytes; 0 stands for "not given". */
export interface SizeRange {
  readonly required: number;
  readonly limit: number;
}

/** A volume's size where the request names none. */
const defaultBytes = 1024 ** 3;

/** Text kept free in the metadata area, so that every volume there is can still change its state and be removed. */
const metadataReserveBytes = 8 * 1024;

/**
 * How large one new volume of this layout can be: free extents of its physical volumes, less the reserve; nothing when
 * the metadata area is nearly full, or a physical volume is missing: the group is then not changed. A striped volume goes to the physical volumes with most room, named to LVM, so that
 * the figure holds whatever the allocator would have liked.
 */
export function roomFor(state: VolumeGroupState, layout: Layout, reserve: Reserve): Room {
  const usable = state.physicalVolumes.filter((volume) => volume.allocatable);
  const widest = usable.toSorted((a, b) => b.freeExtents - a.freeExtents).slice(0, layout.stripes);
  const striped = layout.stripes > 1;
  const narrowest = widest.length === layout.stripes ? (widest.at(-1)?.freeExtents ?? 0) : 0;
  const free = striped ? narrowest * layout.stripes : sumOf(usable, (volume) => volume.freeExtents);
  const unreserved = sumOf(usable, (volume) => volume.freeExtents) - reservedExtents(state, reserve);
  const extents =
    metadataFull(state) || missingPhysicalVolumes(state).length > 0
      ? 0
      : wholeStripes(Math.max(0, Math.min(free, unreserved)), layout);
  return {
    extents,
    bytes: extents * state.extentBytes,
    physicalVolumes: striped ? widest.map((volume) => volume.uuid) : undefined,
  };
}

/** Why there is no more room, with figures, for an error's message. */
export function describeRoom(state: VolumeGroupState, room: Room, reserve: Reserve): string {
  const missing = missingPhysicalVolumes(state);
  if (missing.length > 0) {
    const advice = "bring their disks back, or see vgreduce(8) --removemissing";
    return `volume group ${state.name} lacks ${missing.length} of its physical volumes; ${advice}`;
  }
  if (metadataFull(state)) {
    const { usedBytes, capacityBytes } = state.metadata;
    return (
      `the metadata area of volume group ${state.name} is nearly full (${usedBytes} of ${capacityBytes} bytes); ` +
      `remove volumes, or add a physical volume made with a larger --metadatasize`
    );
  }
  const reserved = reservedExtents(state, reserve) * state.extentBytes;
  const held = reserved === 0 ? "" : ` (${reserved} bytes are reserved)`;
  return `volume group ${state.name} has room for ${room.bytes} bytes${held}`;
}

/**
 * The extents for a requested size: rounded up to whole extents on every stripe, and to the filesystem's minimum.
 * @throws VolumeError outOfRange when the limit is below that.
 */
export function extentsFor(range: SizeRange, minimumBytes: number, state: VolumeGroupState, layout: Layout): number {
  const unit = state.extentBytes * layout.stripes;
  const unlimited = range.limit === 0;
  const wanted = range.required || (unlimited ? defaultBytes : Math.min(defaultBytes, range.limit));
  const bytes = Math.ceil(Math.max(wanted, minimumBytes, 1) / unit) * unit;
  if (!unlimited && bytes > range.limit && range.required === 0 && range.limit >= Math.max(minimumBytes, unit)) {
    return (Math.floor(range.limit / unit) * unit) / state.extentBytes;
  }
  if (!unlimited && bytes > range.limit) {
    throw new VolumeError(
      "outOfRange",
      `capacity_range.limit_bytes is ${range.limit}, but the smallest volume for this request has ${bytes} bytes ` +
        `(whole extents of ${unit} bytes${minimumBytes > wanted ? `, at least ${minimumBytes} for the filesystem` : ""})`,
    );
  }
  return bytes / state.extentBytes;
}

function reservedExtents(state: VolumeGroupState, reserve: Reserve): number {
  const total = sumOf(state.physicalVolumes, (volume) => volume.extentCount);
  return Math.ceil("percent" in reserve ? (total * reserve.percent) / 100 : reserve.bytes / state.extentBytes);
}

/** Uuids of the physical volumes that no device carries now. */
export function missingPhysicalVolumes(state: VolumeGroupState): readonly string[] {
  return state.physicalVolumes.filter((volume) => volume.device === undefined).map((volume) => volume.uuid);
}

function metadataFull(state: VolumeGroupState): boolean {
  return state.metadata.usedBytes + metadataReserveBytes > state.metadata.capacityBytes;
}

function wholeStripes(extents: number, layout: Layout): number {
  return extents - (extents % layout.stripes);
}

function sumOf(volumes: readonly PhysicalVolume[], figure: (volume: PhysicalVolume) => number): number {
  return volumes.reduce((sum, volume) => sum + figure(volume), 0);
}
