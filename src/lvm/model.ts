import type { BlockDevice } from "../host/host.ts";

/** A volume group as its committed metadata describes it. Uuids are 32 characters, without LVM's hyphens. */
export interface VolumeGroupState {
  readonly name: string;
  readonly uuid: string;
  /** Counts the commits. */
  readonly sequenceNumber: number;
  readonly extentBytes: number;
  readonly physicalVolumes: readonly PhysicalVolume[];
  /** By name, hidden ones too. */
  readonly logicalVolumes: ReadonlyMap<string, LogicalVolume>;
  /** Of the tightest metadata area: the length of the text now, and of the longest that LVM can commit there. */
  readonly metadata: { readonly usedBytes: number; readonly capacityBytes: number };
}

export interface PhysicalVolume {
  readonly uuid: string;
  /** Undefined while no device carries it, or LVM has marked it as missing. */
  readonly device: BlockDevice | undefined;
  /** Whether LVM may take extents of it (pvchange --allocatable). */
  readonly allocatable: boolean;
  readonly extentCount: number;
  /** Runs of free extents, in order. */
  readonly freeRanges: readonly ExtentRange[];
  readonly freeExtents: number;
}

export interface ExtentRange {
  readonly start: number;
  readonly count: number;
}

/** A run of extents of one physical volume. */
export interface ExtentArea extends ExtentRange {
  /** Its uuid. */
  readonly physicalVolume: string;
}

export interface LogicalVolume {
  readonly name: string;
  readonly uuid: string;
  readonly tags: readonly string[];
  readonly extentCount: number;
  readonly sizeBytes: number;
  /** In the order of the volume's own extents. */
  readonly segments: readonly Segment[];
  /** Names of the volumes that rest on this one, directly or not; lvremove(8) of this one would take its snapshots along. */
  readonly dependents: readonly string[];
  /** The uuid of its device-mapper device while it is active. */
  readonly mappingUuid: string;
  /** The name of its device-mapper device: hyphens in either name doubled. */
  readonly mappingName: string;
}

export interface Segment {
  readonly extentCount: number;
  /** 1 for a linear segment, and for a type that has no stripes. */
  readonly stripeCount: number;
  /** What goes to one stripe before the next one's turn; 0 where there is one area. */
  readonly stripeBytes: number;
  /**
   * The extents on physical volumes, one area a stripe. A stripe that lies on another logical volume, as while pvmove(8)
   * is under way, has none here: there are fewer areas than stripes then.
   */
  readonly areas: readonly ExtentArea[];
}
