import { VolumeError } from "../errors.ts";
import type { ExtentArea, LogicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { Context, Volume } from "./context.ts";
import { activeDevice, withExclusive } from "./device.ts";
import { scratchName } from "./id.ts";
import type { Work } from "./operations.ts";
import { type VolumeRecord, decodeRecord, recordChange } from "./record.ts";
import { sweepDevice, zeroing } from "./sweep.ts";

/** The extents that a volume is to grow by, held and zeroed as a logical volume of their own until they are handed over. */
export interface Scratch {
  readonly logicalVolume: LogicalVolume;
  readonly record: VolumeRecord;
}

/**
 * The scratch volume of an expansion that an earlier run or call left. A logical volume of that name without the
 * driver's tags is somebody else's.
 */
export function scratchOf(state: VolumeGroupState, logicalVolume: string): Scratch | undefined {
  const found = state.logicalVolumes.get(scratchName(logicalVolume));
  const record = found && decodeRecord(found);
  return found !== undefined && record?.state === "growing" ? { logicalVolume: found, record } : undefined;
}

/** @throws VolumeError failedPrecondition when somebody else's logical volume has the scratch volume's name */
export function assertNameIsFree(state: VolumeGroupState, logicalVolume: string): void {
  const name = scratchName(logicalVolume);
  if (!state.logicalVolumes.has(name) || scratchOf(state, logicalVolume) !== undefined) return;
  const advice = "is not the driver's and stands in the way of the expansion; rename or remove it";
  throw new VolumeError("failedPrecondition", `logical volume ${state.name}/${name} ${advice}`);
}

/** Zeroes a scratch volume, from where an earlier run recorded that it was, and tells which extents it holds. */
export async function zeroScratch(
  context: Context,
  volume: Volume,
  scratch: Scratch,
  work: Work,
): Promise<readonly ExtentArea[]> {
  const { logicalVolume, record } = scratch;
  const device = await activeDevice(context, volume.group, logicalVolume);
  const busy = new VolumeError("aborted", `the device of ${logicalVolume.name} is still in use; try again`);
  const journey = {
    sizeBytes: logicalVolume.sizeBytes,
    doneBytes: record.doneBytes,
    record: async (doneBytes: number) => {
      const now = scratchOf(await volume.group.read(), volume.id.logicalVolume);
      const change = now && recordChange(now.logicalVolume, { ...now.record, doneBytes });
      if (change !== undefined) await volume.group.changeTags(logicalVolume.name, change);
    },
  };
  await withExclusive(context, device, busy, (exclusive) => sweepDevice(exclusive, zeroing, journey, work));
  return logicalVolume.segments.flatMap((segment) => segment.areas);
}
