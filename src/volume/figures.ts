import { setImmediate, setTimeout } from "node:timers/promises";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { conditionOf } from "./condition.ts";
import { type Context, volumeIn } from "./context.ts";
import type { VolumeId } from "./id.ts";
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

/** Longest wait for a group to be read, in milliseconds; Prometheus waits 10 s by default. */
const patienceMs = 2000;

/** The figures of all groups by name, without a process; undefined for one that cannot be read now. */
export async function allGroupFigures(context: Context): Promise<ReadonlyMap<string, GroupFigures | undefined>> {
  const figures = [...context.groups.values()].map(async (group) => {
    const late = setTimeout(patienceMs, undefined, { ref: false });
    const state = await Promise.race([group.read().catch(() => undefined), late]);
    return [group.name, state && (await figuresOf(context, group, state))] as const;
  });
  return new Map(await Promise.all(figures));
}

async function figuresOf(context: Context, group: VolumeGroup, state: VolumeGroupState): Promise<GroupFigures> {
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
  const outcomes: boolean[] = [];
  for (const logicalVolume of state.logicalVolumes.keys()) {
    const id = { topologyValue: context.topologyValue, volumeGroup: state.name, logicalVolume };
    // Of one whose tags make no sense, all that can be said is that it is the driver's.
    const abnormal = await isAbnormal(context, group, state, id).catch(() => true);
    if (abnormal !== undefined) outcomes.push(abnormal);
    // What is looked at is in memory and sysfs; calls come between.
    await setImmediate();
  }
  return { volumes: outcomes.length, abnormalVolumes: outcomes.filter(Boolean).length };
}

/** Undefined for what is no volume of the driver's. */
async function isAbnormal(
  context: Context,
  group: VolumeGroup,
  state: VolumeGroupState,
  id: VolumeId,
): Promise<boolean | undefined> {
  const volume = volumeIn(state, group, id);
  return volume && (await conditionOf(context, volume)).abnormal;
}
