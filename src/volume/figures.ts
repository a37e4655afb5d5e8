import { setTimeout } from "node:timers/promises";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { conditionOf } from "./condition.ts";
import { type Context, type Volume, volumeIn } from "./context.ts";
import { missingPhysicalVolumes } from "./room.ts";

/** What there is to count in a volume group. Bytes are those of vgs(8), without regard to the reserve. */
export interface GroupFigures {
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly missingPhysicalVolumes: number;
  /** Of the tightest metadata area: the longest text that LVM can commit there, and how much of that is left. */
  readonly metadataBytes: number;
  readonly metadataFreeBytes: number;
  /** The driver's. */
  readonly volumes: number;
  readonly abnormalVolumes: number;
}

/** Longest wait for a group, in milliseconds; Prometheus waits 10 s by default. */
const patienceMs = 2000;

/** The figures of all groups by name, without a process; undefined for one that cannot be read now. */
export async function allGroupFigures(context: Context): Promise<ReadonlyMap<string, GroupFigures | undefined>> {
  const figures = [...context.groups.values()].map(async (group) => {
    const late = setTimeout(patienceMs, undefined, { ref: false });
    return [group.name, await Promise.race([groupFigures(context, group).catch(() => undefined), late])] as const;
  });
  return new Map(await Promise.all(figures));
}

async function groupFigures(context: Context, group: VolumeGroup): Promise<GroupFigures> {
  const state = await group.read();
  const { physicalVolumes, extentBytes, metadata } = state;
  const sum = (count: (volume: (typeof physicalVolumes)[number]) => number): number =>
    physicalVolumes.reduce((total, volume) => total + count(volume), 0);
  return {
    sizeBytes: sum((volume) => volume.extentCount) * extentBytes,
    freeBytes: sum((volume) => volume.freeExtents) * extentBytes,
    missingPhysicalVolumes: missingPhysicalVolumes(state).length,
    metadataBytes: metadata.capacityBytes,
    metadataFreeBytes: Math.max(0, metadata.capacityBytes - metadata.usedBytes),
    ...(await volumeFigures(context, group, state)),
  };
}

async function volumeFigures(
  context: Context,
  group: VolumeGroup,
  state: VolumeGroupState,
): Promise<Pick<GroupFigures, "volumes" | "abnormalVolumes">> {
  const abnormal = [...state.logicalVolumes.keys()].map(async (logicalVolume): Promise<boolean | undefined> => {
    const volume = volumeIn(state, group, {
      topologyValue: context.topologyValue,
      volumeGroup: state.name,
      logicalVolume,
    });
    return volume && isAbnormal(context, volume);
  });
  // Of one whose tags make no sense, all that can be said is that it is the driver's.
  const outcomes = await Promise.all(abnormal.map((each) => each.catch(() => true)));
  return {
    volumes: outcomes.filter((outcome) => outcome !== undefined).length,
    abnormalVolumes: outcomes.filter((outcome) => outcome === true).length,
  };
}

async function isAbnormal(context: Context, volume: Volume): Promise<boolean> {
  return (await conditionOf(context, volume)).abnormal;
}
